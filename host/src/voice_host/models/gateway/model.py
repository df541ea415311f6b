"""The platform's LLM gateway, or a server in its place, as a model of pydantic-ai."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, cast

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, check_allow_model_requests
from pydantic_ai.profiles import InlineDefsJsonSchemaTransformer, merge_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile, openai_model_profile
from pydantic_ai.settings import ModelSettings

from voice_host.models.deferred_prompt import PROMPT_PLACEHOLDER, LiveTurn, live_turn
from voice_host.models.errors import ModelKeyRefusedError
from voice_host.models.gateway.chunks import JsonObject
from voice_host.models.gateway.client import GatewayClient
from voice_host.models.gateway.request import PROVIDER_NAME, request_body
from voice_host.models.gateway.response import GatewayResponse
from voice_host.models.thoughts import ThinkingHabit

_CLOSED_MODELS = ("chatgpt", "claude", "gemini", "gpt-", "o1", "o3", "o4")
"""Models whose services escape control tokens. Servers of open models may interpret `<|im_start|>` in the words of a
caller or a tool, so pydantic-ai escapes it for them."""


class GatewayModel(Model[GatewayClient]):
    """A model of the gateway, or of any server with OpenAI's chat completions. It takes text and calls tools.

    Every request is streamed. How the stream ends decides what became of the response:

    - After a finish reason it is complete, with or without `[DONE]`, even if the connection breaks.
    - Without one, but with text: it is kept, with the finish reason `length` because it may have been cut. Complete
      tool calls are kept, too.
    - Within a tool call, or without an answer: `ModelAPIError`. An incomplete call is never run.
    - A connection that breaks before a finish reason: `ModelConnectionError`. Text that was passed on stays so.

    Args:
        model_name: as the server knows it.
        client: shared by the models of one server, and closed by its creator.
        key_setting: the variable of the key, for the error if it is refused.

    Raises:
        ModelKeyRefusedError: the key was refused (401, 403).
        ModelAPIError: any other failure, in pydantic-ai's categories.
    """

    supports_deferred_prompt: ClassVar = True
    unsupported_settings = frozenset({"top_k", "timeout", "max_retries"})

    def __init__(self, model_name: str, client: GatewayClient, *, key_setting: str) -> None:
        super().__init__(profile=_profile(model_name))
        self._model_name = model_name
        self.client = client
        self._key_setting = key_setting
        self._thinking = ThinkingHabit()

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return PROVIDER_NAME

    @property
    def base_url(self) -> str:
        return self.client.base_url

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async with self._open(messages, model_settings, model_request_parameters, turn=None) as response:
            async for _ in response:
                pass
            return response.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        turn = live_turn.get()
        async with self._open(messages, model_settings, model_request_parameters, turn=turn) as response:
            yield response

    @asynccontextmanager
    async def _open(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        *,
        turn: LiveTurn | None,
    ) -> AsyncGenerator[GatewayResponse]:
        check_allow_model_requests()
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        profile = cast(OpenAIModelProfile, self.profile)
        body = request_body(self._model_name, messages, settings or {}, parameters, profile)
        if turn is not None:
            _fill_prompt(body["messages"], await turn.deferred_prompt())
        with self._named_key():
            async with await self.client.stream(body, headers=(settings or {}).get("extra_headers")) as stream:
                response = GatewayResponse(
                    parameters,
                    stream,
                    model_name=self._model_name,
                    base_url=self.client.base_url,
                    turn=turn,
                    thinking=self._thinking,
                )
                await response.begin()
                yield response

    @contextmanager
    def _named_key(self) -> Generator[None]:
        try:
            yield
        except ModelHTTPError as error:
            if error.status_code not in (401, 403):
                raise
            # `from None`, because services quote parts of the refused key, which tracebacks would show.
            raise ModelKeyRefusedError(self._model_name, self._key_setting) from None


def _profile(model_name: str) -> OpenAIModelProfile:
    bare_name = model_name.rpartition("/")[2]
    is_closed = bare_name.startswith(_CLOSED_MODELS) and not bare_name.startswith("gpt-oss")
    own = OpenAIModelProfile(
        supports_image_input=False,
        supports_document_input=False,
        supports_audio_file_input=False,
        supports_video_input=False,
        may_tokenize_special_tokens_in_content=not is_closed,
    )
    if bare_name != model_name:  # `vendor/model`: its server may support less than OpenAI's
        own |= OpenAIModelProfile(
            json_schema_transformer=InlineDefsJsonSchemaTransformer, supports_inline_system_prompts=False
        )
    return cast(OpenAIModelProfile, merge_profile(openai_model_profile(bare_name), own))


def _fill_prompt(messages: list[JsonObject], prompt: str) -> None:
    for message in reversed(messages):
        if message["role"] == "user" and message["content"] == PROMPT_PLACEHOLDER:
            message["content"] = prompt
            return
