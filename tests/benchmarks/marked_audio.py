"""Microphone frames that say who sent them, when, and what the caller is saying.

So the recogniser needs no other line to the callers, and what reaches it was carried by the program under test. A mark
is one byte a sample, in the low bits: as quiet as a silent room.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.benchmarks.workload import MICROPHONE_FRAME_BYTES

_MARK = struct.Struct("<4sHBBIdd")
_MAGIC = b"\xa5\x5a\xc3\x3c"
_SPACED_MAGIC = b"".join(bytes((byte, 0)) for byte in _MAGIC)
_MARK_BYTES = 2 * _MARK.size
_SILENCE = bytes(MICROPHONE_FRAME_BYTES - _MARK_BYTES)
_VOICE = (b"\x00\x20" + b"\x00\xe0") * ((MICROPHONE_FRAME_BYTES - _MARK_BYTES) // 4)
"""Loud, as speech is: a host may keep it otherwise than silence."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a frame says.

    Attributes:
        call: the caller's number.
        turn: the number of the turn whose voice the frame holds; 0: silence.
        script: index in `workload.SCRIPTS`. `style`: of the reply.
        began_s: when the turn's voice began. `sent_s`: when the frame was sent. Both by the monotonic clock, which all
            processes of a machine share.
    """

    call: int
    turn: int
    script: int
    style: int
    began_s: float
    sent_s: float


def marked(mark: Mark) -> bytes:
    """Return a frame of PCM16 with that mark."""
    spaced = bytearray(_MARK_BYTES)
    spaced[::2] = _MARK.pack(_MAGIC, mark.call, mark.script, mark.style, mark.turn, mark.began_s, mark.sent_s)
    return bytes(spaced) + (_VOICE if mark.turn else _SILENCE)


class MarkReader:
    """Finds the frames in a stream of audio that may be cut anywhere, and may have other audio between them."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, pcm: bytes) -> list[Mark]:
        """Return the marks of all frames that are complete now."""
        data, at, marks = self._rest + pcm, 0, []
        while len(data) - at >= MICROPHONE_FRAME_BYTES:
            if not data.startswith(_SPACED_MAGIC, at):
                found = data.find(_SPACED_MAGIC, at)
                at = found if found >= 0 else max(at, len(data) - len(_SPACED_MAGIC) + 1)
                continue
            _, call, script, style, turn, began_s, sent_s = _MARK.unpack(data[at : at + _MARK_BYTES : 2])
            marks.append(Mark(call, turn, script, style, began_s, sent_s))
            at += MICROPHONE_FRAME_BYTES
        self._rest = data[at:]
        return marks
