"""What version 1.0 of the SDK promised is still there: whatever fails here is a change for a major version."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
from pydantic import BaseModel, ValidationError

import voice_host_sdk
from voice_host_sdk import LifecycleCallbacks, Session, hooks

NAMES = [
    "AGENT_ID_PATTERN",
    "DEFAULT_STT_WSS_BASE",
    "DEFAULT_TTS_WSS_URL",
    "ENTRY_POINT_GROUP",
    "AgentConfig",
    "AgentReply",
    "Caller",
    "LifecycleCallbacks",
    "ProviderError",
    "STTConfig",
    "Session",
    "SessionEnd",
    "SessionError",
    "SilenceConfig",
    "SpeechAudio",
    "SpeechEnded",
    "SpeechStarted",
    "SpeechToText",
    "SpeechToTextStream",
    "TTSConfig",
    "TextToSpeech",
    "TextToSpeechStream",
    "ToolCall",
    "Transcript",
    "TurnConfig",
    "UserTurn",
    "Utterance",
    "WordTiming",
    "hookimpl",
    "tool",
]

CALLBACKS = {
    "on_startup": [],
    "on_shutdown": [],
    "on_session_starting": ["session", "config"],
    "on_session_created": ["session"],
    "on_user_turn": ["session", "turn"],
    "on_agent_reply": ["session", "reply"],
    "on_tool_call": ["session", "call"],
    "on_error": ["session", "error"],
    "on_session_destroyed": ["session", "end"],
}

RECORDS = {
    "Caller": ["identity", "claims", "issuer"],
    "UserTurn": ["text", "typed"],
    "AgentReply": ["reply", "text", "heard", "interrupted"],
    "ToolCall": ["id", "name", "arguments", "ok", "result", "duration_ms"],
    "SessionError": ["code", "message", "fatal"],
    "SessionEnd": ["reason", "detail", "duration_s", "turns"],
}

TTS_DEFAULTS = {
    "voice": "jess",
    "max_tokens": 2000,
    "buffer_size": 105,
    "repetition_penalty": 1.2,
    "temperature": 0.6,
    "top_p": 0.9,
    "sample_rate": 24000,
    "wss_url": voice_host_sdk.DEFAULT_TTS_WSS_URL,
}

STT_DEFAULTS = {
    "sample_rate": 16000,
    "speech_model": "universal-3-5-pro",
    "wss_base": "wss://streaming.assemblyai.com/v3/ws",
    "token_expires_in": 480,
    "format_turns": True,
    "min_end_of_turn_silence_when_confident": 400,
    "max_turn_silence": 1200,
}


def test_packages_register_under_these_groups() -> None:
    assert voice_host_sdk.ENTRY_POINT_GROUP == "voice_host.agents"
    assert voice_host_sdk.EXTENSION_ENTRY_POINT_GROUP == "voice_host.extensions"


def test_the_names() -> None:
    assert set(NAMES) <= set(voice_host_sdk.__all__)


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_is_there_and_does_nothing(name: str) -> None:
    method = getattr(LifecycleCallbacks, name)
    assert inspect.iscoroutinefunction(method)
    assert list(inspect.signature(method).parameters)[1:] == CALLBACKS[name]


def test_every_callback_added_since_does_nothing_too() -> None:
    for name in vars(LifecycleCallbacks):
        if name.startswith("on_"):
            assert inspect.iscoroutinefunction(getattr(LifecycleCallbacks, name)), name


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_begins_with_its_fields(name: str) -> None:
    fields = [field.name for field in dataclasses.fields(getattr(voice_host_sdk, name))]
    assert fields[: len(RECORDS[name])] == RECORDS[name]


@pytest.mark.parametrize(
    ("config", "defaults"), [(voice_host_sdk.TTSConfig, TTS_DEFAULTS), (voice_host_sdk.STTConfig, STT_DEFAULTS)]
)
def test_the_defaults(config: type[BaseModel], defaults: dict[str, object]) -> None:
    assert {name: config.model_fields[name].default for name in defaults} == defaults


@pytest.mark.parametrize("config", ["AgentConfig", "TTSConfig", "STTConfig", "TurnConfig", "SilenceConfig"])
def test_no_field_has_become_required(config: str) -> None:
    fields = getattr(voice_host_sdk, config).model_fields
    assert [name for name, field in fields.items() if field.is_required()] == []


def test_examples_are_a_few_short_sentences() -> None:
    assert voice_host_sdk.AgentConfig(examples=(" Are you open? ",)).examples == ("Are you open?",)
    for wrong in ((" ",), ("x" * 101,), ("x",) * 7, "one sentence"):
        with pytest.raises(ValidationError, match="examples"):
            voice_host_sdk.AgentConfig.model_validate({"examples": wrong})


def test_the_hooks_take_settings() -> None:
    assert list(inspect.signature(hooks.agent_config).parameters) == ["settings"]
    assert list(inspect.signature(hooks.lifecycle_callbacks).parameters) == ["settings"]


def test_the_session() -> None:
    assert {"say", "end"} == Session.__abstractmethods__
