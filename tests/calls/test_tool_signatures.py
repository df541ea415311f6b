"""Valid Python signatures are valid tools.

The ids of cases are those of public reports.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Optional

import pytest

from tests.calls.tools import result_of
from voice_host.testing import CallTool, ScriptedModel, call_agent, in_virtual_time
from voice_host_sdk import AgentConfig, Session, tool

if TYPE_CHECKING:
    from voice_host_sdk import SessionEnd  # as authors import what they need for annotations alone


def named(name: str = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
    """Do it."""
    return repr(name)


def listed(names: list[str] = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
    """Do it."""
    return repr(names)


def counted(guests: int = 2) -> str:
    """Do it."""
    return repr(guests)


def with_ctx(ctx: str) -> str:
    """Do it."""
    return ctx


def with_call(call: str, function: str, given: str, self: str) -> str:
    """Do it."""
    return call + function + given + self


def with_underscore(_: str, ctx: str = "x") -> str:
    """Do it."""
    return _ + ctx


def positional(a: int, /) -> str:
    """Do it."""
    return repr(a)


def positional_with_session(session: Session, a: int, b: int = 3, /, *, c: int = 4) -> str:
    """Do it."""
    return f"{session.agent_id} {a} {b} {c}"


def perhaps_session(day: str = "today", session: Session | None = None) -> str:
    """Do it."""
    return f"{session.agent_id if session else session} {day}"


def optional_session(session: Optional[Session], day: str) -> str:  # noqa: UP045
    """Do it."""
    return f"{session.agent_id if session else session} {day}"


def several(first: str, *others: int) -> str:
    """Do it."""
    return f"{first} {others}"


def anything(**extra: int) -> str:
    """Do it."""
    return repr(sorted(extra.items()))


def unreadable_return(day: str) -> SessionEnd:
    """Do it."""
    return day  # type: ignore[return-value]


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@logged
def decorated(session: Session, day: str) -> str:
    """Do it."""
    return f"{session.agent_id} {day}"


@logged
async def decorated_async(day: str) -> str:
    """Do it."""
    return day


class Desk:
    def book(self, day: str) -> str:
        """Do it."""
        return f"booked {day}"

    async def __call__(self, session: Session, day: str) -> str:
        """Do it."""
        return f"{session.agent_id} {day}"


def with_key(key: str, day: str) -> str:
    """Do it."""
    return f"{day} with {key}"


def literal(day: Literal["friday", None] = "friday") -> str:
    """Do it."""
    return repr(day)


@pytest.mark.parametrize(
    ("function", "given", "parameters", "told"),
    [
        pytest.param(named, {"name": None}, ["name"], "None", id="19-21"),
        (named, {}, ["name"], "None"),
        (listed, {"names": None}, ["names"], "None"),
        (listed, {"names": ["a"]}, ["names"], "['a']"),
        (counted, {"guests": None}, ["guests"], "2"),
        (counted, {"guests": 5}, ["guests"], "5"),
        (literal, {"day": None}, ["day"], "None"),
        pytest.param(with_ctx, {"ctx": "x"}, ["ctx"], "x", id="19-22"),
        (
            with_call,
            {"call": "a", "function": "b", "given": "c", "self": "d"},
            ["call", "function", "given", "self"],
            "abcd",
        ),
        (with_underscore, {"_": "a"}, ["_", "ctx"], "ax"),
        pytest.param(positional, {"a": 3}, ["a"], "3", id="19-23"),
        (positional_with_session, {"a": 1}, ["a", "b", "c"], "agent 1 3 4"),
        (positional_with_session, {"a": 1, "c": 9}, ["a", "b", "c"], "agent 1 3 9"),
        (perhaps_session, {}, ["day"], "agent today"),
        (optional_session, {"day": "x"}, ["day"], "agent x"),
        (several, {"first": "x"}, ["first", "others"], "x ()"),
        (several, {"first": "x", "others": [1, 2]}, ["first", "others"], "x (1, 2)"),
        (anything, {"a": 1, "b": 2}, [], "[('a', 1), ('b', 2)]"),
        (unreadable_return, {"day": "x"}, ["day"], "x"),
        (decorated, {"day": "x"}, ["day"], "agent x"),
        (decorated_async, {"day": "x"}, ["day"], "x"),
        (Desk().book, {"day": "x"}, ["day"], "booked x"),
        (Desk(), {"day": "x"}, ["day"], "agent x"),
        (functools.partial(with_key, "secret"), {"day": "x"}, ["day"], "x with secret"),
        (functools.partial(with_key, key="secret"), {"day": "x"}, ["day"], "x with secret"),
    ],
)
@in_virtual_time
async def test_valid_signatures(function: Any, given: dict[str, Any], parameters: list[str], told: str) -> None:
    seen: list[Any] = []
    name = {"Desk": "Desk", "partial": "with_key"}.get(type(function).__name__) or function.__name__
    model = ScriptedModel(CallTool(name, **given), "Done.")
    inner = model.as_model()
    original = inner.stream_function

    def spy(messages: Any, info: Any) -> Any:
        seen.extend(info.function_tools)
        assert original is not None
        return original(messages, info)

    inner.stream_function = spy
    async with call_agent(AgentConfig(tools=(function,)), inner) as call:
        assert (await call.ask("Go")).text == "Done."
        assert [used.result for used in call.tools] == [told]
    assert list(seen[0].parameters_json_schema.get("properties", {})) == parameters
    assert seen[0].description == "Do it."
    assert "secret" not in str(seen[0].parameters_json_schema)


@in_virtual_time
async def test_a_session_that_is_imported_for_type_checkers_alone() -> None:
    source = (
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from voice_host_sdk import Session\n"
        "def it(session: Session, day: str) -> str:\n    '''Do it.'''\n    return session.agent_id + day\n"
    )
    names: dict[str, Any] = {"__name__": "plugin_of_a_test"}
    exec(source, names)
    assert await result_of(names["it"], day="x") == "agentx"


def test_options_are_found_on_partials_and_objects() -> None:
    from voice_host_sdk import tool_name, tool_options

    class Pay:
        @tool(terminal=True)
        def __call__(self) -> str:
            return ""

    assert tool_options(functools.partial(tool(timeout_s=3)(with_key), "x")).timeout_s == 3
    assert tool_options(Pay()).terminal
    assert tool_name(functools.partial(functools.partial(with_key, "x"), "y")) == "with_key"
    assert tool_name(Pay()) == "Pay"
