"""What a customer says about an agent: `AgentConfig`, and `TurnConfig` for its turn-taking."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from voice_host_sdk.speech_config import STTConfig, TTSConfig

if TYPE_CHECKING:
    Tools = tuple[Any, ...] | list[Any]  # what may be given; pydantic makes a tuple of it
else:
    Tools = tuple[Any, ...]

Example = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]

DEFAULT_GREETING = ""
"""No greeting: the caller speaks first."""

DEFAULT_INSTRUCTIONS = "You are a helpful, friendly assistant on the telephone."

DEFAULT_VOICE_RULES = (
    "Your answers are spoken aloud. Answer in one to three short sentences of plain prose: no lists, no markdown, "
    "no emoji, no web addresses. Ask for one thing at a time. When a tool can answer, use it rather than guess."
)


class TurnConfig(BaseModel, frozen=True, extra="forbid"):
    """Who speaks when. Times are in milliseconds (`_ms`)."""

    barge_in: bool = Field(default=True, description="Whether a caller who speaks may stop the agent's speech.")
    barge_in_min_words: int = Field(default=2, ge=1, description="Recognised words that stop the agent's speech.")
    barge_in_min_speech_ms: int = Field(
        default=500, ge=0, description="Sustained speech that stops the agent before a word is recognised."
    )
    false_interruption_ms: int | None = Field(
        default=2000,
        ge=200,
        description="Speech that stopped the agent and was no turn after so long: the rest of the reply is spoken. "
        "None: it is not.",
    )
    speculation_confidence: float | None = Field(
        default=0.7,
        gt=0,
        le=1,
        description="How sure speech-to-text must be that a turn has ended for the model to begin before it is final. "
        "None: never. What was begun for a turn that then changed is thrown away, and paid for.",
    )
    stop_words: tuple[str, ...] | None = Field(
        default=None,
        description="Words and phrases that stop the agent's speech however few they are, e.g. `wait`, `hold on`. "
        "None: a list in the agent's language, which is English for now.",
    )
    backchannels: tuple[str, ...] | None = Field(
        default=None,
        description="Words and phrases of a caller who only listens, e.g. `uh-huh`, `okay`: however many, they do not "
        "stop the agent's speech. None: a list in the agent's language, which is English for now.",
    )
    playout_lead_ms: int = Field(default=200, ge=20, le=5000, description="How far audio is sent ahead of real time.")

    @field_validator("stop_words", "backchannels")
    @classmethod
    def _phrases_have_words(cls, phrases: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for phrase in phrases or ():
            if not any(map(str.isalnum, phrase)):
                raise ValueError(f"{phrase!r} has no word in it: give words or phrases, such as 'hold on'")
        return phrases


class SilenceConfig(BaseModel, frozen=True, extra="forbid"):
    """What happens when nobody speaks, and how long a call may last. Times are in seconds (`_s`)."""

    filler_after_s: float | None = Field(
        default=5.0,
        gt=0,
        description="Dead air within a reply (a slow model, a long tool) that is covered. None: never.",
    )
    fillers: tuple[str, ...] = Field(
        default=("One moment, please.", "I am still working on it."),
        description="Spoken one after the other within one reply; kept out of the history.",
    )
    nudge_after_s: float | None = Field(
        default=30.0, gt=0, description="Silence of the caller after which the agent asks. None: it never does."
    )
    nudges: tuple[str, ...] = Field(
        default=("Are you still there?", "Hello? I can hear nothing."),
        description="Asked one after the other until the caller says something.",
    )
    idle_timeout_s: float | None = Field(
        default=180.0, gt=0, description="Silence of the caller that ends the call. None: it never does."
    )
    max_call_s: float | None = Field(default=3600.0, gt=0, description="Longest call. None: no limit.")

    @model_validator(mode="after")
    def _ask_before_hanging_up(self) -> SilenceConfig:
        ask, leave = self.nudge_after_s, self.idle_timeout_s
        if self.nudges and ask is not None and leave is not None and ask >= leave:
            raise ValueError(
                f"nudge_after_s ({ask:g}) must be less than idle_timeout_s ({leave:g}): nobody could answer any more"
            )
        return self


class AgentConfig(BaseModel, frozen=True, extra="forbid", arbitrary_types_allowed=True):
    """One voice agent. Immutable; unknown fields are errors.

    `tools` are plain functions (sync or async), functions decorated with `voice_host_sdk.tool`, or `pydantic_ai.Tool`
    objects. `model` is a pydantic-ai name (`openai:gpt-4.1-mini`), a bare name for the platform's gateway, or None for
    whatever the platform offers; the platform's own settings win over it.
    """

    title: str = Field(default="Voice agent", min_length=1, max_length=120)
    description: str = Field(default="", max_length=1000)
    examples: tuple[Example, ...] = Field(
        default=(), max_length=6, description="Sentences a caller might begin with; the talk page offers them. SDK 1.1."
    )
    instructions: str = Field(default=DEFAULT_INSTRUCTIONS, min_length=1)
    voice_rules: str = Field(
        default=DEFAULT_VOICE_RULES, description="Appended to the instructions: how to word things that are spoken."
    )
    greeting: str = Field(
        default=DEFAULT_GREETING, description="Spoken when a call begins; empty: the caller speaks first."
    )
    tools: Tools = ()
    model: str | None = Field(default=None, min_length=1)
    fallback_models: tuple[str, ...] = Field(
        default=(), description="Models that are asked, in order, when the model fails before a word was said."
    )
    model_settings: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Sent to the model with each request, by pydantic-ai's names: temperature, max_tokens, ...",
    )
    speech_to_text: str | None = Field(
        default=None, min_length=1, description="A recogniser by name, e.g. assemblyai; the platform's choice wins."
    )
    text_to_speech: str | None = Field(
        default=None, min_length=1, description="A voice by name, e.g. orpheus, assemblyai; the platform's choice wins."
    )
    text_to_speech_fallback: str | None = Field(
        default=None, min_length=1, description="A voice by name that speaks while the other cannot."
    )
    text_normalization: bool = Field(
        default=True,
        description="Whether numbers, dates, symbols and abbreviations become words. False for a voice that does it.",
    )
    pronunciations: dict[str, str] = Field(
        default={},
        description="Words and phrases, and how each is said. An entry in small letters is found in any case, one with "
        "a capital only as it is written. Transcripts and history keep what was written.",
    )
    tts_config: TTSConfig = TTSConfig()
    stt_config: STTConfig = STTConfig()
    turns: TurnConfig = TurnConfig()
    silence: SilenceConfig = SilenceConfig()
    tool_timeout_s: float = Field(default=20.0, gt=0, description="For tools that do not set a time of their own.")
    max_steps: int = Field(default=8, ge=1, le=100, description="Requests to the model within one reply.")
    error_phrase: str = Field(
        default="Sorry, something went wrong on my side. Could you say that again?",
        min_length=1,
        description="Spoken when a reply fails: silence is never the answer.",
    )
    step_limit_phrase: str = Field(
        default="Sorry, I did not get that done. Could we take it one step at a time?",
        min_length=1,
        description="Spoken when a reply has used up `max_steps`.",
    )

    @field_validator("fallback_models")
    @classmethod
    def _fallbacks_are_named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in names):
            raise ValueError("each fallback is the name of a model, and none of them empty")
        return names

    @field_validator("pronunciations")
    @classmethod
    def _pronunciations_are_words(cls, entries: dict[str, str]) -> dict[str, str]:
        if not all(written.strip() and said.strip() for written, said in entries.items()):
            raise ValueError("each pronunciation maps a word or phrase to how it is said, and neither is empty")
        return entries

    @field_validator("tools")
    @classmethod
    def _tools_are_callable(cls, tools: tuple[Any, ...]) -> tuple[Any, ...]:
        named: dict[str, Any] = {}
        for candidate in tools:
            name = tool_name(candidate)
            if name in named:
                places = " and ".join(_place(tool) for tool in (named[name], candidate))
                raise ValueError(f"two tools are called {name!r} ({places}): rename one of the functions")
            named[name] = candidate
        return tools


def _place(candidate: Any) -> str:
    """Return where a tool is written, as file and line."""
    function = getattr(candidate, "function", candidate)
    function = function.func if isinstance(function, partial) else function
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else repr(candidate)


def tool_name(candidate: Callable[..., Any] | Any) -> str:
    """Return the name under which the model knows a tool.

    That of the function, also of one inside a `functools.partial`; for an object that can be called, that of its class.

    Raises:
        ValueError: `candidate` is neither something to call nor a `pydantic_ai.Tool`.
    """
    # A pydantic_ai.Tool is not callable; it is recognised by shape because the SDK does not import pydantic-ai.
    name = getattr(candidate, "name", None)
    if isinstance(name, str) and callable(getattr(candidate, "function", None)):
        return name
    if callable(candidate):
        name = getattr(candidate, "__name__", None)
        if isinstance(name, str):
            return name
        return tool_name(candidate.func) if isinstance(candidate, partial) else type(candidate).__name__
    raise ValueError(f"{candidate!r} is not a tool: pass a function, or a pydantic_ai.Tool")
