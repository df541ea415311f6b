"""The `tool` decorator and `ToolOptions`: timeout, behaviour on interruption, and terminal actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

OnInterrupt = Literal["cancel", "finish", "detach"]

_ATTRIBUTE = "__voice_host_tool__"
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """How the host runs a tool.

    Attributes:
        timeout_s: seconds after which the model is told that the tool timed out. None: the agent's default.
        on_interrupt: what happens to the tool when the caller interrupts the reply: `cancel` it, `finish` it before the
            next reply begins, or `detach` it, so that it may outlive the reply, but not the session.
        terminal: an action that cannot be undone (hang up, pay). It does not start once the reply was interrupted.
    """

    timeout_s: float | None = None
    on_interrupt: OnInterrupt = "cancel"
    terminal: bool = False

    def __post_init__(self) -> None:
        if self.timeout_s is not None and self.timeout_s <= 0:
            raise ValueError(f"timeout_s must be greater than 0, not {self.timeout_s}")
        if self.on_interrupt not in ("cancel", "finish", "detach"):
            raise ValueError(f"on_interrupt must be 'cancel', 'finish' or 'detach', not {self.on_interrupt!r}")


@overload
def tool(function: _F, /) -> _F: ...


@overload
def tool(
    *, timeout_s: float | None = None, on_interrupt: OnInterrupt = "cancel", terminal: bool = False
) -> Callable[[_F], _F]: ...


def tool(
    function: _F | None = None,
    /,
    *,
    timeout_s: float | None = None,
    on_interrupt: OnInterrupt = "cancel",
    terminal: bool = False,
) -> _F | Callable[[_F], _F]:
    """Attach `ToolOptions` to a function, which remains a plain function: `@tool` or `@tool(timeout_s=5)`.

    Raises:
        ValueError: an option is out of range.
        TypeError: an option was passed by position.
    """
    if function is not None and not callable(function):
        raise TypeError(f"@tool takes options by name, e.g. @tool(timeout_s=5), not {function!r}")
    options = ToolOptions(timeout_s=timeout_s, on_interrupt=on_interrupt, terminal=terminal)

    def decorate(function: _F) -> _F:
        setattr(function, _ATTRIBUTE, options)
        return function

    return decorate if function is None else decorate(function)


def tool_options(function: Callable[..., Any]) -> ToolOptions:
    """Return the options of a tool; the defaults when it was not decorated."""
    for place in (function, getattr(function, "func", None), getattr(type(function), "__call__", None)):  # noqa: B004
        options = getattr(place, _ATTRIBUTE, None)  # also of a partial's function, and of an object's `__call__`
        if isinstance(options, ToolOptions):
            return options
    return ToolOptions()
