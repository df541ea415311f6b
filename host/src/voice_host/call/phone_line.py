"""`PhoneLine`: what a telephone call can do beside speech: keys, transfers, and the carrier's news."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from voice_host.call import events
from voice_host.call.keypad import CHECK_S, NOT_CONNECTED, Keypad
from voice_host.clients.call_control import CallControl, CallControlFailed
from voice_host.sessions.phone_requests import DigitsWanted
from voice_host.turns import events as turns
from voice_host.turns.engine import TurnState
from voice_host_sdk import CallAnswer, ChannelError
from voice_host_sdk.session import EndReason

if TYPE_CHECKING:
    from voice_host.call.call import Call


class PhoneLine:
    """The telephone's part of one call. Without a telephone it has nothing to do.

    Args:
        call: whose part it is.

    Attributes:
        control: the carrier's side; None: it cannot transfer calls, or send digits.
    """

    def __init__(self, call: Call) -> None:
        self.control: CallControl | None = None
        self._call = call
        self._keypad = Keypad(self._agent_speaks, self._hush)
        self._transferring: str | None = None
        self._playing = asyncio.Lock()

    # --- from the client and the carrier ----------------------------------------------------------------------------

    async def press(self, key: str) -> None:
        """The caller pressed a key."""
        self._call.reporter.note(events.KeyPressed(key))
        self._keypad.press(key)
        await self._call.dispatch(turns.KeyPressed())

    def answered(self, answer: CallAnswer) -> None:
        """The carrier found out who answered."""
        if not self._call.over.done():
            self._call.reporter.note(events.Answered(answer))

    def hung_up(self, reason: EndReason) -> None:
        """The connection ended: because the carrier transfers the call, or for another reason."""
        if self._transferring is None:
            self._call.end(reason)
        else:
            self._call.end("ended", self._transferring)

    def close(self) -> None:
        """The connection has ended."""
        self._keypad.close()

    # --- for tools (`voice_host.sessions.live_session.Phone`) ---------------------------------------------------------

    @property
    def collecting(self) -> bool:
        """Whether a tool waits for keys."""
        return self._keypad.collecting

    async def collect_digits(self, wanted: DigitsWanted, is_wanted: Callable[[], bool]) -> str:
        await self._call.settled()
        return await self._keypad.collect(wanted, is_wanted)

    async def spoken(self) -> None:
        await self._call.settled()
        while self._agent_speaks():  # noqa: ASYNC110 - what is played is estimated, so nothing tells its end
            await asyncio.sleep(CHECK_S)

    async def transfer(self, to: str) -> None:
        if self.control is None:
            raise ChannelError("calls of this carrier cannot be transferred")
        if self._transferring is not None:
            raise ChannelError("the call is being transferred already")
        self._transferring = f"transferred to {to}"
        await self._ask(partial(self._transfer, self.control, to))

    async def _transfer(self, control: CallControl, to: str) -> None:
        try:
            await control.transfer(to)
        except BaseException:
            self._transferring = None
            raise
        self.hung_up("ended")

    @property
    def plays_tones(self) -> bool:
        return self._call.client.plays_tones

    async def send_digits(self, digits: str) -> None:
        if self.plays_tones:
            await self._ask(partial(self._play, digits))
            return
        if self.control is None:
            raise ChannelError("this carrier cannot send digits")
        await self._ask(partial(self.control.send_digits, digits))

    async def _play(self, digits: str) -> None:
        """Play digits as tones, one at a time, since the carrier drops what waits when the agent is interrupted."""
        async with self._playing:
            for key in digits:
                await asyncio.sleep(await self._call.client.play_key(key))

    async def _ask(self, act: Callable[[], Awaitable[None]]) -> None:
        """Make a request to the carrier. It is not broken off when the reply whose tool makes it is cut."""
        if self._call.over.done():
            raise ChannelError(NOT_CONNECTED)
        request = _Request(act, self._call.reporter.request_failed)
        await asyncio.wait([self._call.spawn(request.run(), "carrier")])
        if request.error is not None:
            raise ChannelError(request.error)

    # --- the agent's speech -------------------------------------------------------------------------------------------

    def _agent_speaks(self) -> bool:
        """Whether there is speech that the caller has not heard yet, or is sure to come."""
        call = self._call
        if call.over.done() or (reply := call.reply) is None or not reply.alive:
            return False
        return reply.speaks or (call.engine.text_complete and call.engine.state is not TurnState.LISTENING)

    def _hush(self) -> None:
        if self._call.agent.config.turns.barge_in and self._call.reply is not None:
            self._call.reply.hush()


@dataclass(slots=True)
class _Request:
    """A request to the carrier. `error`: why it was not done; None: it was."""

    act: Callable[[], Awaitable[None]]
    on_fault: Callable[[Exception], None]
    error: str | None = NOT_CONNECTED

    async def run(self) -> None:
        try:
            await self.act()
            self.error = None
        except CallControlFailed as failed:
            self.error = str(failed)
        except Exception as unexpected:  # noqa: BLE001 - reported, and no reason to end the call
            self.on_fault(unexpected)
            self.error = "the carrier could not be reached"
