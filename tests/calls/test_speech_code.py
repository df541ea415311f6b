"""What a third party's speech service may raise in a call: anything. The call goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.calls.tools import PanicException
from voice_host.testing import ScriptedModel, call_agent, in_virtual_time
from voice_host.testing.ears import ScriptedEars
from voice_host.testing.voice import ScriptedVoice
from voice_host_sdk import AgentConfig, STTConfig, TTSConfig

KINDS = [PanicException, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, ValueError]


class Sick:
    """Wraps a stream or an utterance; the method `where` raises `error`."""

    def __init__(self, inner: Any, where: str, error: Any) -> None:
        self._inner, self._where, self._error = inner, where, error

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)

        async def method(*arguments: Any) -> Any:
            if name == self._where:
                raise self._error
            made = await inner(*arguments)
            return Sick(made, self._where, self._error) if name == "utterance" else made

        return method

    async def __aiter__(self) -> AsyncIterator[Any]:
        if self._where == "yields":
            yield self._error
        async for item in self._inner:
            if self._where == "__anext__":
                raise self._error
            yield item


def sick(kind: type[Any], where: str, error: Any) -> type[Any]:
    class SickService(kind):  # type: ignore[misc]
        async def open(self, config: STTConfig | TTSConfig) -> Any:
            if where == "open":
                raise error
            return Sick(await super().open(config), where, error)

    return SickService


@pytest.mark.fault("voice: raises an unexpected exception")
@pytest.mark.parametrize("where", ["open", "utterance", "send_text", "end", "__anext__", "aclose", "yields"])
@pytest.mark.parametrize("error", KINDS)
def test_whatever_a_voice_raises_the_reply_comes(
    error: type[BaseException], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = sick(ScriptedVoice, where, "nonsense" if where == "yields" else error())
    monkeypatch.setattr("voice_host.testing.agent.ScriptedVoice", voice)

    @in_virtual_time
    async def call_it() -> None:
        async with call_agent(AgentConfig(), ScriptedModel("Hello there.", "And again.")) as call:
            assert (await call.ask("Hi")).text == "Hello there."
            assert (await call.ask("Hi")).text == "And again."
            assert {told.code for told in call.errors} <= {"tts_failed", "tts_timeout"}
            assert (await call.hang_up()).reason == "goodbye"

    call_it()


@pytest.mark.fault("stt: raises an unexpected exception")
@pytest.mark.parametrize("where", ["open", "send_audio", "__anext__", "aclose", "yields"])
@pytest.mark.parametrize("error", KINDS)
def test_whatever_a_recogniser_raises_the_call_goes_on(
    error: type[BaseException], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = sick(ScriptedEars, where, "nonsense" if where == "yields" else error())
    monkeypatch.setattr("voice_host.testing.agent.ScriptedEars", ears)

    @in_virtual_time
    async def call_it() -> None:
        async with call_agent(AgentConfig(), ScriptedModel("Hello there.", repeat=True)) as call:
            await call.speak("hello hello")
            await call.wait(20)
            assert (await call.ask("Hi")).text
            assert {told.code for told in call.errors} <= {"stt_failed", "stt_timeout"}
            assert (await call.hang_up()).reason == "goodbye"

    call_it()
