"""What a test that uses the test kit says when it fails."""

from __future__ import annotations

import pytest

from voice_host.testing import (
    CallTool,
    ScriptedModel,
    call_agent,
    in_virtual_time,
    serve_agent,
)
from voice_host_sdk import (
    AgentConfig,
    LifecycleCallbacks,
    Session,
    SilenceConfig,
)


@in_virtual_time
async def test_a_failure_shows_the_call() -> None:
    def look() -> str:
        """Look."""
        return "nine"

    with pytest.raises(AssertionError) as failure:  # noqa: PT012
        async with call_agent(AgentConfig(tools=(look,)), ScriptedModel(CallTool("look"), "At nine.")) as call:
            reply = await call.ask("When?")
            assert reply.text == "At ten."
    [note] = failure.value.__notes__
    assert note.startswith("The call to agent:\n")
    lines = [line.split(maxsplit=1)[1] for line in note.splitlines()[1:]]
    assert lines[:3] == ["caller   When?  (typed)", "agent    At nine.", "tool     look() -> 'nine'"]
    assert lines[-1] == "--       the session has ended: goodbye"


@in_virtual_time
async def test_a_script_that_is_too_short_fails_the_test() -> None:
    async with serve_agent(AgentConfig(), ScriptedModel("One.")) as agent:
        with pytest.raises(AssertionError, match="asked 2 times, but its script has 1 steps; the last question was 'M"):
            async with agent.call() as call:
                assert [(await call.ask(text)).text for text in ("Go on", "More")]


@in_virtual_time
async def test_a_callback_that_fails_fails_the_test_unless_it_is_expected() -> None:
    class Failing(LifecycleCallbacks):
        async def on_session_created(self, session: Session) -> None:
            raise KeyError("name")

    with pytest.raises(AssertionError, match="the callback on_session_created failed: KeyError"):
        async with call_agent(AgentConfig(), callbacks=Failing()):
            pass
    async with call_agent(AgentConfig(), callbacks=Failing()) as call:
        await call.wait(1)
        assert [seen.name for seen in call.failed_callbacks()] == ["on_session_created"]


@in_virtual_time
async def test_a_call_that_is_refused_is_no_failure() -> None:
    class Refusing(LifecycleCallbacks):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            raise PermissionError("not on Sundays")

    async with call_agent(AgentConfig(greeting="Hello."), callbacks=Refusing()) as call:
        assert call.over
        assert call.end.close_code == 4500
        with pytest.raises(AssertionError, match="the call ended before"):
            await call.reply()
    assert call.callbacks == ["on_session_starting"]


@in_virtual_time
async def test_what_does_not_come_is_said_in_words() -> None:
    silence = SilenceConfig(nudge_after_s=None, idle_timeout_s=None)
    async with call_agent(AgentConfig(silence=silence), ScriptedModel("Short.")) as call:
        with pytest.raises(AssertionError, match="no reply within 5 s"):
            await call.reply(within_s=5)
        with pytest.raises(AssertionError, match="the call has not ended within 60 s"):
            await call.ended(within_s=60)
        with pytest.raises(AssertionError, match="the tool look was not called; called were: none"):
            call.tool("look")
        with pytest.raises(ValueError, match=r"at_s=1 has passed"):
            await call.speak("hello", at_s=1)
        await call.type("Hi")
        with pytest.raises(AssertionError, match=r"the reply was over after 0\.3"):
            await call.interrupt("wait", into_reply_s=9)
        with pytest.raises(AssertionError, match="has not ended"):
            _ = call.end
