"""A model and those that are asked in its place when it fails before a word was said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.settings import ModelSettings

from voice_host.models.errors import describe_model_error
from voice_host.models.live_request import LiveRequest, live_request
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger

log = get_logger(__name__)


@dataclass(eq=False)
class _Asking:
    """A request under way: for which agent, and whether the caller has heard a word of its answer (`LiveRequest`).

    Text may reach the call before pydantic-ai sees the first event of the stream.
    """

    agent_id: str
    live: LiveRequest | None
    said: bool = False

    async def words(self) -> str:
        assert self.live is not None
        return await self.live.words()

    async def hear(self, text: str) -> None:
        assert self.live is not None
        self.said = True
        await self.live.hear(text)


_asking: ContextVar[_Asking | None] = ContextVar("asking", default=None)


class ModelWithFallbacks(FallbackModel):
    """Asks its models in order, for each request anew, until one gives the first piece of an answer.

    From then on that model has the word: a stream that breaks later is an error, since another model cannot take back
    what was said. Each failure is counted.
    """

    def __init__(self, model: Model, fallbacks: Sequence[Model]) -> None:
        super().__init__(model, *fallbacks, fallback_on=_failed)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        agent_id = getattr(run_context.deps, "agent_id", "") if run_context is not None else ""
        asking = _Asking(agent_id, live_request.get())
        token, live = _asking.set(asking), live_request.set(asking if asking.live is not None else None)
        try:
            stream = super().request_stream(messages, model_settings, model_request_parameters, run_context)
            async with stream as response:
                yield response
        finally:
            live_request.reset(live)
            _asking.reset(token)


def _failed(error: Exception) -> bool:
    """Tell whether the next model is to be asked, and count the failure of this one."""
    asking = _asking.get() or _Asking("", None)
    if not isinstance(error, ModelAPIError) or asking.said:
        return False
    code = describe_model_error(error).code
    metrics.MODEL_FALLBACKS.labels(asking.agent_id, code).inc()
    log.warning("model_fallback", agent_id=asking.agent_id, model=error.model_name, code=code)
    return True
