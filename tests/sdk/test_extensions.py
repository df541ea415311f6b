"""What extensions of the platform are written against."""

import pytest

from voice_host_sdk import AgentReply, Connection, ObservedSession, SessionObserver


def test_a_misspelt_method_of_an_observer_is_refused_when_its_class_is_made() -> None:
    with pytest.raises(TypeError, match="there is no callback 'on_users_turn'; did you mean 'on_user_turn'"):

        class Misspelt(SessionObserver):
            async def on_users_turn(self) -> None: ...


async def test_what_an_observer_does_not_override_does_nothing() -> None:
    observer = SessionObserver()
    reply = AgentReply(1, "Hello.", "Hello.", False)
    results = [await observer.on_startup(), await observer.on_agent_reply(ObservedSession("desk", "1"), reply)]
    assert results == [None, None]


def test_what_may_hold_a_token_is_not_in_a_connections_repr() -> None:
    connection = Connection("desk", "/x", {"token": "s3cret"}, {"authorization": "s3cret"}, "::1", ("t.s3cret",))
    assert "s3cret" not in repr(connection)
    assert "desk" in repr(connection)
