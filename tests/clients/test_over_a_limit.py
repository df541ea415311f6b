"""What a frame that is over a limit leaves behind in a protocol: nothing, and audio is not asked about."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.clients import telephone, test_telnyx, test_twilio, test_vonage
from voice_host.clients.choice import PROTOCOLS
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.protocol import Audio, ClientProtocol, Dtmf, Frame, Opening, Typed
from voice_host.clients.telnyx import TelnyxProtocol
from voice_host.clients.twilio import TwilioProtocol
from voice_host.clients.voice_host_v1 import VoiceHostV1
from voice_host.clients.vonage import VonageProtocol

PACKET = b"\x7f" * 160
START = json.dumps({"event": "start", "stream": "S1", "parameters": {}})
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


def opened(protocol: ClientProtocol, opening: Frame) -> ClientProtocol:
    """Open a call with a frame that was over a limit when it first came."""
    assert list(protocol.receive(opening, lambda **_: False)) == []
    assert isinstance(protocol.receive(opening)[0], Opening)
    return protocol


def openai() -> OpenAIRealtime:
    protocol = OpenAIRealtime({"model": "desk"})
    protocol.receive(json.dumps({"type": "conversation.item.create", "item": ITEM}))
    return protocol


def twilio() -> ClientProtocol:
    return opened(TwilioProtocol(test_twilio.ACCOUNT, test_twilio.CALL), test_twilio.start())


CASES: dict[str, tuple[Callable[[], ClientProtocol], Frame, object, Frame]] = {
    "voice-host.v1": (VoiceHostV1, '{"type": "text", "text": "Hello"}', Typed("Hello"), PACKET),
    "openai.realtime": (
        openai,
        '{"type": "response.create"}',
        Typed("Hello"),
        '{"type": "input_audio_buffer.append", "audio": "AAAA"}',
    ),
    "twilio": (
        twilio,
        test_twilio.frame("dtmf", dtmf={"digit": "5"}),
        Dtmf("5"),
        test_twilio.media(PACKET, 5),
    ),
    "telnyx": (
        lambda: opened(TelnyxProtocol(test_telnyx.CALL), test_telnyx.start()),
        test_telnyx.frame("dtmf", dtmf={"digit": "5"}),
        Dtmf("5"),
        test_telnyx.media(1),
    ),
    "vonage": (
        lambda: opened(VonageProtocol(), test_vonage.CONNECTED),
        test_vonage.message("dtmf", digit="5"),
        Dtmf("5"),
        PACKET,
    ),
    "the example": (
        lambda: opened(telephone.TelephoneProtocol(), START),
        json.dumps({"event": "dtmf", "stream": "S1", "digit": "5"}),
        Dtmf("5"),
        json.dumps({"event": "media", "stream": "S1", "payload": "/38="}),
    ),
}


def test_every_protocol_is_tried() -> None:
    assert set(PROTOCOLS) <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_frame_over_a_limit_has_no_effect(name: str) -> None:
    make, frame, event, audio = CASES[name]

    def never(*, report: bool = False) -> bool:
        raise AssertionError

    protocol = make()
    assert list(protocol.receive(frame, lambda **_: False)) == []
    assert event in protocol.receive(frame)
    assert isinstance(protocol.receive(audio, never)[0], Audio)
