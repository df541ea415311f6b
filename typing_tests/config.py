"""`AgentConfig` and the models within it."""

from __future__ import annotations

from typing import assert_type

from voice_host_sdk import AgentConfig, SilenceConfig, STTConfig, TTSConfig, TurnConfig, tool_name


def opening_hours(day: str) -> str:
    """Tell when the desk is open."""
    return day


config = AgentConfig(
    title="Front desk",
    instructions="Answer the phone.",
    greeting="Hello.",
    tools=[opening_hours],  # a list is as good as a tuple
    model="openai:gpt-4.1-mini",
    tts_config=TTSConfig(voice="aria", temperature=0.8),
    stt_config=STTConfig(max_turn_silence=900),
    turns=TurnConfig(barge_in=False, false_interruption_ms=None),
    silence=SilenceConfig(nudges=("Hello?",), idle_timeout_s=60),
    max_steps=4,
)
AgentConfig(tools=(opening_hours,))
assert_type(config.title, str)
assert_type(config.model, str | None)
assert_type(config.tts_config, TTSConfig)
assert_type(config.turns.barge_in_min_words, int)
assert_type(config.model_copy(update={"greeting": "Good evening."}), AgentConfig)
assert_type(tool_name(opening_hours), str)

AgentConfig(titel="Front desk")  # type: ignore[call-arg]
AgentConfig(title=7)  # type: ignore[arg-type]
AgentConfig(tools=opening_hours)  # type: ignore[arg-type]
AgentConfig(tts_config={"voice": "aria"})  # type: ignore[arg-type]
TTSConfig(voice=None)  # type: ignore[arg-type]
TurnConfig(barge_in_min_words="two")  # type: ignore[arg-type]
SilenceConfig(nudge_after="30")  # type: ignore[call-arg]
config.title = "Other"  # type: ignore[misc]
_ = config.tone  # type: ignore[attr-defined]
