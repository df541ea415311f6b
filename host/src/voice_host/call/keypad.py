"""`Keypad`: the keys that a caller presses, and the tool that waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from voice_host.clock import now_s
from voice_host.sessions.phone_requests import MAX_DIGITS, DigitsWanted
from voice_host_sdk import ChannelError

TYPE_AHEAD_S = 5.0
"""How long before it is collected a key may have been pressed. The model takes some seconds to call the next tool."""

MAX_AHEAD = 32
"""Keys that wait to be collected; the oldest are dropped. A card number has 16 digits."""

CHECK_S = 0.1
"""How often it is checked whether the agent still speaks. A time limit that is so much late is not noticed."""

NOT_CONNECTED = "the caller is not connected any more"


class Keypad:
    """The keys of one call.

    Args:
        speaks: whether the agent speaks: time limits begin when it has finished.
        hush: stops the agent's speech, since the caller has begun to press keys.
    """

    def __init__(self, speaks: Callable[[], bool], hush: Callable[[], None]) -> None:
        self._speaks = speaks
        self._hush = hush
        self._ahead: deque[tuple[str, float]] = deque(maxlen=MAX_AHEAD)
        self._pressed = asyncio.Event()
        self._superfluous: tuple[str, float] | None = None
        """A finishing key that is expected although the input was complete, and until when."""
        self._closed = False
        self.collecting = False
        """Whether a tool waits for keys."""

    def press(self, key: str) -> None:
        """Take a key that was pressed now."""
        superfluous, self._superfluous = self._superfluous, None
        if superfluous is not None and key == superfluous[0] and now_s() <= superfluous[1]:
            return
        self._ahead.append((key, now_s()))
        self._pressed.set()
        if self.collecting:
            self._hush()

    def close(self) -> None:
        """No more keys come: the connection has ended."""
        self._closed = True
        self._speaks, self._hush = lambda: False, lambda: None  # they refer to the call
        self._pressed.set()

    async def collect(self, wanted: DigitsWanted, is_wanted: Callable[[], bool]) -> str:
        """Wait for an input, and return it without the finishing key; fewer digits, or none, if the time is over.

        Args:
            wanted: when the input is complete.
            is_wanted: False once nobody needs it any more.

        Raises:
            ChannelError: the connection ended, the input is not wanted any more, or another tool waits for one.
        """
        if self.collecting:
            raise ChannelError("digits are being collected already")
        self.collecting = True
        try:
            return await self._collect(wanted, is_wanted)
        finally:
            self.collecting = False

    async def _collect(self, wanted: DigitsWanted, is_wanted: Callable[[], bool]) -> str:
        oldest_s = now_s() - TYPE_AHEAD_S
        while self._ahead and self._ahead[0][1] < oldest_s:
            self._ahead.popleft()
        if self._ahead:
            self._hush()
        digits, wait_s = "", wanted.timeout_s
        while len(digits) < (wanted.count or MAX_DIGITS):
            key = await self._next(wait_s, is_wanted)
            if key is None or key == wanted.finish:
                return digits
            digits, wait_s = digits + key, wanted.between_s
        if wanted.finish:
            self._superfluous = (wanted.finish, now_s() + wanted.between_s)  # many callers press it all the same
        return digits

    async def _next(self, wait_s: float, is_wanted: Callable[[], bool]) -> str | None:
        """Return the next key; None if there is none for so long, not counting the agent's speech."""
        quiet_since_s = now_s()
        while not self._ahead:
            if self._closed:
                raise ChannelError(NOT_CONNECTED)
            if not is_wanted():
                raise ChannelError("the conversation has moved on")
            if self._speaks():
                quiet_since_s = now_s()
            left_s = quiet_since_s + wait_s - now_s()
            if left_s <= 0:
                return None
            self._pressed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, CHECK_S)):
                    await self._pressed.wait()
        return self._ahead.popleft()[0]
