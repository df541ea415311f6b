"""What a suspended session keeps: plain data of a known version, and no more than is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from voice_host.plain_data import json_part
from voice_host.sessions.resume_state import (
    MAX_BYTES,
    MAX_STATE_BYTES,
    VERSION,
    PendingRequest,
    ResumeState,
    ResumeStateError,
    ResumeStateTooLarge,
    SuspendedCall,
    state_to_keep,
)
from voice_host.turns.snapshot import SilenceSnapshot, TurnSnapshot
from voice_host_sdk import Caller, Channel

SILENCE = SilenceSnapshot(start_s=0.5, last_heard_s=20.25, quiet_since_s=21.0, nudges=1, nudging=True)
STATE = ResumeState(
    session_id="s",
    agent_id="desk",
    caller=Caller("anna", {"role": "guest"}, "house"),
    metadata={"page": "/"},
    state={"cart": [1, 2.5, None, {"ü": True}]},
    history=[{"kind": "response", "parts": []}],
    call=SuspendedCall(TurnSnapshot(7, SILENCE, "yes", True, True, 22.0, ("Later.",), "bye"), "the rest", ""),
    pending=(PendingRequest("say", "Your table is ready."),),
    age_s=61.5,
    turns=3,
    worst_first_audio_ms=412.5,
    token_digest="ab" * 32,
)


def test_it_comes_back_as_it_went() -> None:
    again = ResumeState.from_bytes(STATE.to_bytes())
    assert again == STATE
    assert again.caller is not None
    assert again.caller.claims == {"role": "guest"}


def test_the_channel_is_kept() -> None:
    channel = Channel("twilio", "phone", "outbound", "+15550100", "+15550199", "CA1")
    kept = STATE.model_copy(update={"channel": channel})
    assert ResumeState.from_bytes(kept.to_bytes()).channel == channel
    assert STATE.channel == Channel()


def test_this_version_writes_and_reads_what_it_always_has() -> None:
    """Where this fails, two releases of the host do not understand each other: increase `VERSION`, and record it."""
    written = (Path(__file__).parent / f"resume_state_{VERSION}.json").read_bytes()
    assert json.loads(STATE.to_bytes()) == json.loads(written)
    assert ResumeState.from_bytes(written) == STATE


def leaves(value: object) -> Iterator[type]:
    """Yield the types of all that a value is made of."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield type(value)


def test_it_is_plain_data_that_nobody_changes() -> None:
    assert set(leaves(STATE.model_dump())) <= {str, int, float, bool, type(None)}
    assert STATE.version == VERSION
    with pytest.raises(ValueError, match="frozen"):
        STATE.turns = 5  # type: ignore[misc]


@pytest.mark.parametrize("version", [0, VERSION + 1, "1", None])
def test_another_version_is_refused(version: object) -> None:
    data = json.loads(STATE.to_bytes()) | {"version": version}
    with pytest.raises(ResumeStateError, match=f"has version {version!r}, and this host reads version 1"):
        ResumeState.from_bytes(json.dumps(data).encode())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"age_s": "soon"}, "is damaged: age_s$"),
        ({"age_s": -1, "session_id": 5}, "is damaged: age_s, session_id$"),
        ({"call": {"turns": {}}}, "is damaged: call$"),
        ({"secret words": 1}, "is damaged: secret words$"),
        ({"token_digest": "xyz"}, "is damaged: token_digest$"),
    ],
)
def test_what_is_damaged_is_refused(changed: dict[str, Any], message: str) -> None:
    data = json.loads(STATE.to_bytes()) | changed
    with pytest.raises(ResumeStateError, match=message):
        ResumeState.from_bytes(json.dumps(data).encode())


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{", b'{"version": 1, "age_s": NaN}'])
def test_what_is_no_resume_state_is_refused(data: bytes) -> None:
    with pytest.raises(ResumeStateError):
        ResumeState.from_bytes(data)


def test_it_has_a_size_limit_both_ways() -> None:
    large = STATE.model_copy(update={"metadata": {"page": "x" * MAX_BYTES}})
    with pytest.raises(ResumeStateTooLarge, match=r"bytes, more than the limit of 524,288"):
        large.to_bytes()
    with pytest.raises(ResumeStateTooLarge):
        ResumeState.from_bytes(b" " * (MAX_BYTES + 1))


class Special(str):
    pass


DEEP: list[Any] = []
DEEP.append(DEEP)


@pytest.mark.parametrize(
    "value", [object(), (1, 2), {1: 2}, {"a": {2}}, b"x", float("nan"), Special("x"), DEEP, 1 << 5000, {"a": [print]}]
)
def test_entries_that_are_not_json_are_left_out(value: object) -> None:
    assert json_part({"first": 1, "other": value, "last": [{"a": "b"}]}) == {"first": 1, "last": [{"a": "b"}]}


def test_what_is_kept_is_a_copy_that_can_be_encoded() -> None:
    state: dict[Any, Any] = {"words": ["half a pair \ud83d"], 5: "no text"}
    kept = state_to_keep(state)
    state["words"].append("later")
    assert kept == {"words": ["half a pair \ufffd"]}


def test_a_state_that_is_too_large_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ResumeStateTooLarge, match=r"Session\.state takes .* store large data elsewhere"):
        state_to_keep({"text": "x" * MAX_STATE_BYTES})
