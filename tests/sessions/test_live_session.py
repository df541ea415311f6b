"""What an agent asks of its session waits while nobody is connected."""

from __future__ import annotations

from voice_host.sessions.live_session import MAX_PENDING, LiveSession
from voice_host.sessions.resume_state import PendingRequest


class Line:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def say(self, text: str) -> None:
        self.asked.append(("say", text))

    async def hang_up(self, reason: str) -> None:
        self.asked.append(("hang up", reason))


async def test_requests_before_the_first_connection_are_performed_in_order() -> None:
    session, line = LiveSession("s", "desk"), Line()
    await session.say("Welcome.")
    await session.say("  ")
    await session.end("no time")
    await session.attach(line)
    assert line.asked == [("say", "Welcome."), ("hang up", "no time")]
    assert session.pending == ()
    await session.say("At once.")
    assert line.asked[-1] == ("say", "At once.")


async def test_a_parked_session_keeps_what_is_said_and_ends_at_once() -> None:
    session, line, ended = LiveSession("s", "desk"), Line(), list[str]()
    await session.attach(line)
    session.detach()
    await session.say("While the connection is closed.")
    session.park(ended.append, [PendingRequest("say", "From elsewhere.")])
    for number in range(2 * MAX_PENDING):
        await session.say(f"{number}")
    assert [request.text for request in session.pending[:3]] == [
        "While the connection is closed.",
        "From elsewhere.",
        "0",
    ]
    assert len(session.pending) == MAX_PENDING
    await session.end("closing time")
    assert (ended, line.asked) == (["closing time"], [])


async def test_an_end_asked_for_while_the_connection_is_closed_ends_the_session_when_it_is_parked() -> None:
    session, ended = LiveSession("s", "desk"), list[str]()
    await session.attach(Line())
    session.detach()
    await session.end("closing time")
    session.park(ended.append)
    assert ended == ["closing time"]
