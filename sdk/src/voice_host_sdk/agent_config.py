"""The configuration of an agent: `AgentConfig`, with `TurnConfig` for turn-taking and `SilenceConfig` for silence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from voice_host_sdk.speech_config import STTConfig, TTSConfig

if TYPE_CHECKING:
    Tools = tuple[Any, ...] | list[Any]  # accepted types; pydantic converts to a tuple
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
    """Turn-taking: barge-in, speculation, back-channels. Times are in milliseconds (`_ms`)."""

    barge_in: bool = Field(default=True, description="Whether the caller can interrupt the agent by speaking.")
    barge_in_min_words: int = Field(default=2, ge=1, description="Recognised words that interrupt the agent.")
    barge_in_min_speech_ms: int = Field(
        default=500, ge=0, description="Sustained speech that interrupts the agent before a word is recognised."
    )
    false_interruption_ms: int | None = Field(
        default=2000,
        ge=200,
        description="If an interruption does not become a turn within this time, the agent continues its reply. "
        "None: it does not.",
    )
    speculation_confidence: float | None = Field(
        default=0.7,
        gt=0,
        le=1,
        description="How confident speech-to-text must be that a turn has ended for the model to start before it is "
        "final. None: never. If the turn then changes, the model's work is discarded, but still paid for.",
    )
    stop_words: tuple[str, ...] | None = Field(
        default=None,
        description="Words and phrases that always interrupt the agent, however few words are said, e.g. `wait`, "
        "`hold on`. None: an English list.",
    )
    backchannels: tuple[str, ...] | None = Field(
        default=None,
        description="Words and phrases that only signal listening and never interrupt the agent, e.g. `uh-huh`, "
        "`okay`. None: an English list.",
    )
    playout_lead_ms: int = Field(default=200, ge=20, le=5000, description="How far audio is sent ahead of real time.")

    @field_validator("stop_words", "backchannels")
    @classmethod
    def _phrases_have_words(cls, phrases: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for phrase in phrases or ():
            if not any(map(str.isalnum, phrase)):
                raise ValueError(f"{phrase!r} contains no word: give words or phrases, such as 'hold on'")
        return phrases


class SilenceConfig(BaseModel, frozen=True, extra="forbid"):
    """Handling of silence, and the maximum length of a call. Times are in seconds (`_s`)."""

    filler_after_s: float | None = Field(
        default=5.0,
        gt=0,
        description="Silence within a reply (a slow model, a long tool) after which a filler is spoken. None: never.",
    )
    fillers: tuple[str, ...] = Field(
        default=("One moment, please.", "I am still working on it."),
        description="Fillers, spoken in turn within one reply; not part of the history.",
    )
    nudge_after_s: float | None = Field(
        default=30.0,
        gt=0,
        description="Silence of the caller after which the agent asks whether they are still there. None: never.",
    )
    nudges: tuple[str, ...] = Field(
        default=("Are you still there?", "Hello? I can hear nothing."),
        description="Questions asked in turn until the caller says something.",
    )
    idle_timeout_s: float | None = Field(
        default=180.0, gt=0, description="Silence of the caller after which the call ends. None: never."
    )
    max_call_s: float | None = Field(default=3600.0, gt=0, description="Maximum length of a call. None: no limit.")

    @model_validator(mode="after")
    def _ask_before_hanging_up(self) -> SilenceConfig:
        ask, leave = self.nudge_after_s, self.idle_timeout_s
        if self.nudges and ask is not None and leave is not None and ask >= leave:
            raise ValueError(
                f"nudge_after_s ({ask:g}) must be less than idle_timeout_s ({leave:g}), or the call ends before a nudge"
            )
        return self


class AgentConfig(BaseModel, frozen=True, extra="forbid", arbitrary_types_allowed=True):
    """One voice agent. Immutable; unknown fields are errors.

    `tools` are plain functions (sync or async), functions decorated with `voice_host_sdk.tool`, or `pydantic_ai.Tool`
    objects. `model` is a pydantic-ai name (`openai:gpt-4.1-mini`), a bare name for the platform's gateway, or None for
    the platform's default. The platform's settings take precedence.
    """

    title: str = Field(default="Voice agent", min_length=1, max_length=120)
    description: str = Field(default="", max_length=1000)
    examples: tuple[Example, ...] = Field(
        default=(), max_length=6, description="Example sentences to begin with; the talk page offers them. SDK 1.1."
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
        default=(), description="Models to try, in order, when the model fails before any text of the reply."
    )
    model_settings: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Model settings for each request, with pydantic-ai's names: temperature, max_tokens, ...",
    )
    speech_to_text: str | None = Field(
        default=None,
        min_length=1,
        description="Speech-to-text service, e.g. assemblyai; the platform's choice takes precedence.",
    )
    text_to_speech: str | None = Field(
        default=None,
        min_length=1,
        description="Text-to-speech service, e.g. orpheus; the platform's choice takes precedence.",
    )
    text_to_speech_fallback: str | None = Field(
        default=None, min_length=1, description="Text-to-speech service used while `tts_provider` fails."
    )
    text_normalization: bool = Field(
        default=True,
        description="Whether to spell out numbers, dates, symbols and abbreviations. False if the voice does that.",
    )
    pronunciations: dict[str, str] = Field(
        default={},
        description="Words and phrases, each with how to pronounce it. A lowercase entry matches in any case, one with "
        "a capital only exactly. Transcripts and history keep the original text.",
    )
    tts_config: TTSConfig = TTSConfig()
    stt_config: STTConfig = STTConfig()
    turns: TurnConfig = TurnConfig()
    silence: SilenceConfig = SilenceConfig()
    tool_timeout_s: float = Field(default=20.0, gt=0, description="Timeout of tools that do not set their own.")
    max_steps: int = Field(default=8, ge=1, le=100, description="Requests to the model within one reply.")
    error_phrase: str = Field(
        default="Sorry, something went wrong on my side. Could you say that again?",
        min_length=1,
        description="Spoken when a reply fails.",
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
            raise ValueError("each fallback must be the name of a model, and not empty")
        return names

    @field_validator("pronunciations")
    @classmethod
    def _pronunciations_are_words(cls, entries: dict[str, str]) -> dict[str, str]:
        if not all(written.strip() and said.strip() for written, said in entries.items()):
            raise ValueError("each pronunciation must map a word or phrase to how it is said, and neither may be empty")
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
    """Return where a tool is defined, as file and line."""
    function = getattr(candidate, "function", candidate)
    function = function.func if isinstance(function, partial) else function
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else repr(candidate)


def tool_name(candidate: Callable[..., Any] | Any) -> str:
    """Return the name under which the model knows a tool.

    The name of the function, also inside a `functools.partial`; for a callable object, the name of its class.

    Raises:
        ValueError: `candidate` is neither callable nor a `pydantic_ai.Tool`.
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
