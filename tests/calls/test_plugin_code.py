"""What a plugin's code may raise in a call, and what becomes of tools that outlive their reply. The call goes on.

The ids of cases are those of public reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_ai import Tool
from pydantic_ai.messages import ToolReturnPart
from pydantic_core import core_schema

from tests.calls.tools import PanicException, result_of
from voice_host.testing import Asked, CallTool, ScriptedModel, call_agent, in_virtual_time, serve_agent
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, UserTurn, tool

if TYPE_CHECKING:
    from voice_host_sdk import SessionEnd  # as authors import what they need for annotations alone


def plain(error: type[BaseException]) -> Any:
    def it() -> str:
        """Do it."""
        raise error

    return it


def in_the_loop(error: type[BaseException]) -> Any:
    async def it() -> str:
        """Do it."""
        await asyncio.sleep(0.1)
        raise error

    return it


def generating(error: type[BaseException]) -> Any:
    def it() -> Iterator[str]:
        """Do it."""
        yield "one"
        raise error

    return it


def ready_made(error: type[BaseException]) -> Any:
    return Tool(plain(error))


IDS = {"PanicException": "20-17", "KeyboardInterrupt": "20-18"}
KINDS = [PanicException, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, TimeoutError, ValueError]


@pytest.mark.fault("plugin: tool raises a BaseException")
@pytest.mark.parametrize("make", [plain, in_the_loop, generating, ready_made])
@pytest.mark.parametrize("error", [pytest.param(kind, id=IDS.get(kind.__name__, kind.__name__)) for kind in KINDS])
@in_virtual_time
async def test_whatever_a_tool_raises_the_model_is_told(error: type[BaseException], make: Callable[..., Any]) -> None:
    assert await result_of(make(error)) == f"it failed ({error.__name__})."


@pytest.mark.parametrize("make", [plain, in_the_loop])
@in_virtual_time
async def test_a_keyboard_interrupt_in_a_tool_leaves_the_other_calls_alone(make: Callable[..., Any]) -> None:
    """20-18."""
    model = ScriptedModel("At nine.", CallTool("it"), "That failed.", "At ten.")
    async with (
        serve_agent(AgentConfig(tools=(make(KeyboardInterrupt),)), model) as agent,
        agent.call() as other,
        agent.call() as call,
    ):
        assert (await other.ask("When do you open?")).heard == "At nine."
        assert (await call.ask("Go")).heard == "That failed."
        assert (await other.ask("And on Sunday?")).heard == "At ten."
        assert not call.over
        assert not other.over


@pytest.mark.parametrize("make", [plain, ready_made], ids=["20-21", "20-21 as a pydantic_ai.Tool"])
@in_virtual_time
async def test_a_stop_iteration_in_a_thread_is_a_failure_at_once(make: Callable[..., Any]) -> None:
    def it() -> str:
        """Find a free table."""
        return next(table for table in () if table)

    started = asyncio.get_running_loop().time()
    assert await result_of(Tool(it) if make is ready_made else it) == "it failed (StopIteration)."
    assert asyncio.get_running_loop().time() - started < 19  # the time limit of a tool is 20 s


@in_virtual_time
async def test_a_tool_that_cancels_its_own_task_cancels_nothing_else() -> None:
    async def it() -> str:
        """Do it."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)
        return "never"

    assert await result_of(it) == "it failed (CancelledError)."


@in_virtual_time
async def test_a_tool_that_swallows_its_cancellation_does_not_keep_its_reply_alive() -> None:
    """The other direction: the host's own cancellation always counts."""

    async def it() -> str:
        """Do it."""
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "swallowed"
        return "done"

    model = ScriptedModel(["One moment.", CallTool("it")], "Here I am.")
    async with call_agent(AgentConfig(tools=(it,)), model) as call:
        await call.type("Go")
        await call.wait(1)
        assert (await call.ask("Stop that")).text == "Here I am."
        assert len(model.asked) == 2  # the reply that was cut did not go on to a request of its own


@in_virtual_time
async def test_a_tool_that_raises_when_it_is_cancelled_does_not_keep_its_reply_alive() -> None:
    async def it() -> str:
        """Do it."""
        try:
            await asyncio.sleep(30)
        finally:
            raise PanicException

    model = ScriptedModel(["One moment.", CallTool("it")], "Here I am.")
    async with call_agent(AgentConfig(tools=(it,)), model) as call:
        await call.type("Go")
        await call.wait(1)
        assert (await call.ask("Stop that")).text == "Here I am."
        assert len(model.asked) == 2


@in_virtual_time
async def test_a_tool_that_ignores_being_cancelled_holds_nobody_up() -> None:
    released = asyncio.Event()

    async def it() -> str:
        """Do it."""
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        return "at last"

    model = ScriptedModel(["One moment.", CallTool("it")], "Here I am.")
    async with call_agent(AgentConfig(tools=(it,)), model) as call:
        await call.type("Go")
        await call.wait(1)
        assert (await call.ask("Stop that")).text == "Here I am."
        released.set()


@pytest.mark.parametrize("error", KINDS)
@in_virtual_time
async def test_whatever_callbacks_raise_the_call_goes_on(error: type[BaseException]) -> None:
    class Callbacks(LifecycleCallbacks):
        async def on_session_created(self, session: Session) -> None:
            raise error

        async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
            raise error

        async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
            raise error

    async with call_agent(AgentConfig(), ScriptedModel("Hello.", "Again."), callbacks=Callbacks()) as call:
        assert (await call.ask("Hi")).text == "Hello."
        assert (await call.ask("Hi")).text == "Again."
        await call.hang_up()
        assert len(call.failed_callbacks()) == 4


@in_virtual_time
async def test_a_callback_that_cannot_be_had_is_one_that_fails() -> None:
    class Callbacks(LifecycleCallbacks):
        ready = False

        @property
        def on_user_turn(self) -> Any:
            if self.ready:
                raise KeyboardInterrupt
            return super().on_user_turn

    callbacks = Callbacks()
    async with call_agent(AgentConfig(), ScriptedModel("Hello."), callbacks=callbacks) as call:
        callbacks.ready = True
        assert (await call.ask("Hi")).text == "Hello."
        assert len(call.failed_callbacks()) == 1


@pytest.mark.parametrize("error", KINDS)
@in_virtual_time
async def test_whatever_on_session_starting_raises_refuses_that_call_alone(error: type[BaseException]) -> None:
    class Callbacks(LifecycleCallbacks):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            raise error

    async with call_agent(AgentConfig(), ScriptedModel("Hello."), callbacks=Callbacks()) as call:
        assert (await call.ended()).close_code == 4500


class Picky:
    """A type with code of its own."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        def check(value: Any) -> Any:
            raise KeyboardInterrupt if value == "interrupt" else RuntimeError

        return core_schema.no_info_before_validator_function(check, core_schema.str_schema())


@pytest.mark.parametrize("value", ["interrupt", "other"])
@in_virtual_time
async def test_what_the_type_of_a_parameter_raises_is_told_to_the_model(value: str) -> None:
    def it(value: Picky) -> str:
        """Do it."""
        return "never"

    model = ScriptedModel(CallTool("it", value=value), "Done.")
    async with call_agent(AgentConfig(tools=(it,)), model) as call:
        assert (await call.ask("Go")).text == "Done."
        assert not call.errors


def returned(asked: Asked) -> list[ToolReturnPart]:
    return [part for message in asked.messages for part in message.parts if isinstance(part, ToolReturnPart)]


@pytest.mark.parametrize("fails", [False, True], ids=["14-09", "14-09 and fails"])
@in_virtual_time
async def test_what_a_detached_tool_did_after_its_reply_was_cut_is_told(fails: bool) -> None:
    @tool(on_interrupt="detach")
    async def order() -> str:
        """Order a taxi."""
        await asyncio.sleep(3)
        if fails:
            raise PanicException
        return "arrived"

    model = ScriptedModel(["One moment.", CallTool("order")], "Yes?", "It came.", "Bye.")
    async with call_agent(AgentConfig(tools=(order,)), model) as call:
        await call.type("A taxi")
        await call.wait(0.5)
        await call.ask("And a pizza")
        assert [part.outcome for part in returned(model.asked[1])] == ["interrupted"]
        assert "Do not begin it again" in str(returned(model.asked[1])[0].content)
        await call.wait(4)
        await call.ask("Where is it?")
        told = "order failed (PanicException)." if fails else "arrived"
        assert [part.content for part in returned(model.asked[2])] == [told]
        assert [(seen.result, seen.ok) for seen in call.tools] == [(told, not fails)]
        await call.ask("Thanks")
        assert [part.content for part in returned(model.asked[3])] == [told]


@in_virtual_time
async def test_a_turn_that_was_begun_early_knows_what_came_in_between() -> None:
    @tool(on_interrupt="detach")
    async def order() -> str:
        """Order a taxi."""
        await asyncio.sleep(3)
        return "arrived"

    model = ScriptedModel(["One moment.", CallTool("order")], "Yes?", "It came.")
    async with call_agent(AgentConfig(tools=(order,)), model) as call:
        await call.type("A taxi")
        await call.wait(0.5)
        await call.ask("And a pizza")  # the next turn is prepared when this reply is over, before the tool has ended
        await call.wait(2)
        await call.speak("where is my taxi")
        await call.reply()
        assert [part.content for part in returned(model.asked[2])] == ["arrived"]


@in_virtual_time
async def test_a_tool_that_was_cancelled_may_have_been_done() -> None:
    async def order() -> str:
        """Order a taxi."""
        await asyncio.sleep(3)
        return "arrived"

    model = ScriptedModel(["One moment.", CallTool("order")], "Yes?")
    async with call_agent(AgentConfig(tools=(order,)), model) as call:
        await call.type("A taxi")
        await call.wait(0.5)
        await call.ask("And a pizza")
        assert "may or may not have been done" in str(returned(model.asked[1])[0].content)
