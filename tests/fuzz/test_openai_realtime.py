"""Whatever a client of the OpenAI Realtime protocol sends: only documented events come back, in their order."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.clients.realtime_reader import Reader
from tests.fuzz.frames import no_messages, odd_texts, odd_values
from tests.fuzz.profile import inputs
from voice_host.call import events as call
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.openai_realtime.client_events import CLIENT_EVENTS
from voice_host.clients.protocol import Answer, Audio, Malformed

FIELDS = (
    "event_id",
    "session",
    "audio",
    "item",
    "previous_item_id",
    "item_id",
    "content_index",
    "audio_end_ms",
    "response",
    "response_id",
)

odd_events = st.fixed_dictionaries(
    {"type": st.sampled_from([*sorted(CLIENT_EVENTS), "session.close"])}, optional=dict.fromkeys(FIELDS, odd_values)
)
good_events: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda text: {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]},
        },
        odd_texts,
    ),
    st.builds(
        lambda detection, kind: {
            "type": "session.update",
            "session": {"audio": {"input": {"turn_detection": detection, "format": {"type": kind}}}},
        },
        st.sampled_from([None, {"type": "semantic_vad"}]),
        st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma"]),
    ),
    st.sampled_from(
        [
            {"type": "input_audio_buffer.append", "audio": "AAAA"},
            {"type": "input_audio_buffer.commit"},
            {"type": "input_audio_buffer.clear"},
            {"type": "response.create"},
            {"type": "response.cancel"},
        ]
    ),
)
frames = st.one_of(good_events.map(json.dumps), odd_events.map(json.dumps), no_messages, st.binary(max_size=20))
in_call = st.one_of(
    st.sampled_from(
        [call.CallerSpeechStarted(), call.CallerSpeechEnded(), call.ReplyCut(1, "Hello"), call.SpeechSent(1)]
    ),
    st.builds(lambda text, typed: call.TurnTaken(text, typed), odd_texts, st.booleans()),
    st.builds(call.TurnCommitted, odd_texts),
    st.builds(call.ReplyText, st.integers(1, 4), odd_texts),
    st.builds(lambda reply: call.ReplyOver(reply, "spoken", "completed", "", "", False), st.integers(1, 4)),
    st.integers(1, 4),  # speech of a reply
)


@inputs(60)
@given(st.lists(st.one_of(frames, in_call), max_size=30))
def test_any_frame_in_any_state(steps: list[Any]) -> None:
    protocol, reader = OpenAIRealtime({"model": "desk"}), Reader()

    def read(sent: Any) -> None:
        for frame in sent:
            reader.take(json.loads(frame))

    read(protocol.tell(call.Ready("s1", "desk", 16000, 24000)))
    for step in steps:
        if isinstance(step, str | bytes):
            for event in protocol.receive(step):
                if isinstance(event, Answer):
                    read(event.frames)
                elif isinstance(event, Malformed):
                    assert event.answer
                    read(event.answer)
                elif isinstance(event, Audio):
                    assert isinstance(event.data, bytes)
        elif isinstance(step, int):
            read(protocol.speech(step, bytes(480)))
        else:
            read(protocol.tell(step))
