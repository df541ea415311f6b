"""`CallbackRecorder`: passes callbacks on to the agent, and records their arguments and exceptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from voice_host_sdk import LifecycleCallbacks, Session


@dataclass(slots=True)
class SeenCallback:
    """A callback that was called.

    Attributes:
        name: e.g. `on_user_turn`.
        value: its argument besides the session, e.g. a `UserTurn`; None if there is none.
        error: what the agent's callback raised, if anything.
        done: whether it has returned.
    """

    name: str
    value: Any = None
    error: BaseException | None = field(default=None, repr=False)
    done: bool = False


class Watcher(Protocol):
    """Is notified of the callbacks of a session."""

    def callback_began(self, session: Session, seen: SeenCallback) -> None: ...

    def callback_ended(self, seen: SeenCallback) -> None: ...


opening: ContextVar[Watcher] = ContextVar("opening")
"""The call on whose behalf a session begins: it watches that session from then on."""


class CallbackRecorder(LifecycleCallbacks):
    """Wraps an agent's callbacks. `on_startup` and `on_shutdown` are recorded in `seen`."""

    def __init__(self, inner: LifecycleCallbacks) -> None:
        self.inner = inner
        self.seen: list[SeenCallback] = []
        self._watchers: dict[str, Watcher] = {}
        self._closed = False

    def close(self) -> None:
        """Run no more callbacks of sessions: the process of the agent is lost."""
        self._closed = True

    async def pass_on(self, name: str, args: tuple[Any, ...]) -> Any:
        """Call the agent's own callback, and record it."""
        session = args[0] if args and isinstance(args[0], Session) else None
        if self._closed and session is not None:
            return None
        seen = SeenCallback(name, args[1] if len(args) > 1 else None)
        watcher = None
        if session is None:
            self.seen.append(seen)
        elif (watcher := self._watchers.setdefault(session.id, opening.get())) is not None:
            watcher.callback_began(session, seen)
        try:
            return await getattr(self.inner, name)(*args)
        except BaseException as error:
            seen.error = error
            raise
        finally:
            seen.done = True
            if watcher is not None:
                watcher.callback_ended(seen)


def _recorded(name: str) -> Callable[..., Awaitable[Any]]:
    async def callback(self: CallbackRecorder, *args: Any) -> Any:
        return await self.pass_on(name, args)

    callback.__name__ = name
    return callback


# All that the SDK has, including ones added later.
for _name in [name for name in vars(LifecycleCallbacks) if name.startswith("on_")]:
    setattr(CallbackRecorder, _name, _recorded(_name))
