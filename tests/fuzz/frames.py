"""What a client may think of sending: the call protocol, nearly the call protocol, and nothing like it."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.raw import BINARY, CLOSE, PING, PONG, TEXT, frame

CONTINUATION = 0

odd_texts = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc", "Cn", "So"]), max_size=5),
    st.sampled_from(["", " ", "hello", "\ud800", "\x00", "a" * 4001, "ö" * 3000, "<script>", "{{x}}", "\u202e"]),
)
odd_numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([-1, 0, 1, 2, 1e308, -1e308, 2**63, 10**300, float("nan"), float("inf"), float("-inf")]),
)
odd_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(odd_texts, odd_numbers, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)
TYPES = ["text", "cancel", "reset", "playback", "ping", "ready", "bye", "", "TEXT", "__class__"]

good_messages: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, odd_texts),
    st.sampled_from([{"type": "cancel"}, {"type": "reset"}, {"type": "ping"}]),
    st.builds(lambda reply, ms: {"type": "playback", "reply": reply, "played_ms": ms}, st.integers(0, 5), odd_numbers),
)
odd_messages: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(st.sampled_from(TYPES), odd_values),
        "text": odd_values,
        "reply": odd_values,
        "played_ms": odd_values,
        "extra": odd_values,
    },
)
no_messages = st.sampled_from(
    [
        "",
        "null",
        "[]",
        "{",
        '{"type":"text"',
        "[" * 30000,
        '{"type":"text","text":' + "[" * 5000 + "]" * 5000 + "}",
        '{"type":"playback","reply":1,"played_ms":' + "9" * 5000 + "}",
        '{"type":"playback","reply":1' + "0" * 4000 + ',"played_ms":1}',
        '{"type":"playback","reply":1,"played_ms":1e999}',
        '{"type":"ping","type":"text","text":"twice"}',
        '\ufeff{"type":"ping"}',
        '{"type":"text","text":"' + "x" * 70000 + '"}',
    ]
)
texts: st.SearchStrategy[bytes] = st.one_of(
    st.one_of(good_messages, good_messages, odd_messages).map(lambda message: json.dumps(message).encode()),
    no_messages.map(str.encode),
    st.binary(max_size=30),
    st.sampled_from([b"\xff\xfe", b"\xed\xa0\x80", b'{"type":"text","text":"\xc3"}']),
)
audio: st.SearchStrategy[bytes] = st.one_of(
    st.sampled_from([b"", b"\x00", bytes(640), bytes(641), bytes(32000), bytes(400_000), bytes(1 << 20)]),
    st.binary(max_size=200),
)


def _fragmented(opcode: int, payload: bytes, cuts: list[int], between: bytes) -> bytes:
    """One message in pieces; `between` is a control frame that comes in the middle of it."""
    edges = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    pieces = [payload[start:end] for start, end in itertools.pairwise(edges)]
    frames = [
        frame(CONTINUATION if place else opcode, piece, fin=place == len(pieces) - 1)
        for place, piece in enumerate(pieces)
    ]
    return between.join(frames)


controls = st.one_of(
    st.just(b""),
    st.binary(max_size=125).map(lambda payload: frame(PING, payload)),
    st.binary(max_size=125).map(lambda payload: frame(PONG, payload)),
)
messages: st.SearchStrategy[bytes] = st.one_of(
    st.builds(frame, st.just(TEXT), texts),
    st.builds(frame, st.just(TEXT), texts),
    st.builds(frame, st.just(BINARY), audio),
    st.builds(_fragmented, st.just(TEXT), texts, st.lists(st.integers(0, 1 << 20), max_size=4), controls),
    st.builds(_fragmented, st.just(BINARY), audio, st.lists(st.integers(0, 1 << 20), max_size=4), controls),
    controls,
)
"""Whole messages, right as WebSockets go."""

broken = st.one_of(
    st.builds(frame, st.integers(0, 15), st.binary(max_size=200), fin=st.booleans(), reserved=st.integers(0, 7)),
    st.builds(frame, st.sampled_from([TEXT, BINARY, PING]), st.binary(max_size=20), masked=st.just(False)),
    st.builds(frame, st.just(CLOSE), st.one_of(st.binary(max_size=4), st.just(b"\x03\xe8\xff"), st.just(b"\x03\xee"))),
    st.builds(frame, st.just(BINARY), st.just(bytes((1 << 20) + 1))),
)
"""What breaks the rules of WebSockets, or ends them. Whole frames: for the rest of one, the host would wait."""
