"""Finds the boundaries of WebSocket frames (RFC 6455, 5.2), and reads and writes the most common kinds quickly."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from voice_host.clients.protocol import Frame

try:
    from websockets.speedups import apply_mask
except ImportError:  # websockets was built without a compiler
    from websockets.utils import apply_mask

END_OF_REQUEST = b"\r\n\r\n"
MASK_SIZE = 4

FINAL_TEXT = 0x81
FINAL_BINARY = 0x82
"""First byte of a frame that is a whole message, and was not changed by an extension."""

_HEAD, _LONG_HEAD = Struct("!BBH"), Struct("!BBQ")


class FrameTracker:
    """Tracks the boundaries of frames in a client's data, from the upgrade request on.

    The parser does not tell whether it is between two frames or within a header.
    """

    __slots__ = ("_in_request", "_left", "_unread")

    def __init__(self) -> None:
        self._in_request = True
        self._unread = b""  # an incomplete header, or the possible start of the end of the request
        self._left = 0  # bytes of the current frame that have not arrived yet

    @property
    def between_frames(self) -> bool:
        """Whether all frames so far are complete."""
        return not (self._left or self._unread or self._in_request)

    def rest_of_frame(self, data: bytes, begin: int) -> int:
        """Return how many bytes the current frame still needs, if `data` goes on at `begin`; 0: that is unknown."""
        return (_frame_size(data, begin) or 0) if self.between_frames else self._left

    def follow(self, data: bytes) -> None:
        """Process the next bytes of the stream."""
        data = self._unread + data
        begin = self._left
        if self._in_request:
            end = data.find(END_OF_REQUEST)
            if end < 0:
                self._unread = data[1 - len(END_OF_REQUEST) :]
                return
            self._in_request = False
            begin = end + len(END_OF_REQUEST)
        while begin < len(data):
            size = _frame_size(data, begin)
            if size is None:
                self._unread, self._left = data[begin:], 0
                return
            begin += size
        self._unread, self._left = b"", begin - len(data)


def whole_messages(data: bytes) -> Iterator[tuple[Frame, int]]:
    """Yield the messages that `data` begins with, and where each ends, while each is one masked frame.

    This ends before a frame that is incomplete, part of a message, longer than 64 KiB or a control frame, and before
    text that is not UTF-8.
    """
    begin, end = 0, len(data)
    while begin + 2 + MASK_SIZE <= end:
        payload = begin + 2 + MASK_SIZE
        kind, length = data[begin], data[begin + 1] - 0x80
        if length == 126:
            length = data[begin + 2] << 8 | data[begin + 3]
            payload += 2
        elif not 0 <= length < 126:
            return
        begin = payload + length
        if begin > end or kind not in (FINAL_BINARY, FINAL_TEXT):
            return
        message = apply_mask(data[payload:begin], data[payload - MASK_SIZE : payload])
        try:
            yield message if kind == FINAL_BINARY else message.decode(), begin
        except UnicodeDecodeError:
            return


def framed(message: Frame) -> bytes:
    """Return a message as one frame of a server, which is not masked."""
    kind, data = (FINAL_TEXT, message.encode()) if isinstance(message, str) else (FINAL_BINARY, message)
    length = len(data)
    if length < 126:
        return bytes((kind, length)) + data
    return (_HEAD.pack(kind, 126, length) if length < 1 << 16 else _LONG_HEAD.pack(kind, 127, length)) + data


def _frame_size(data: bytes, begin: int) -> int | None:
    """Return the length of the frame that begins there, including its header; None: the header is incomplete."""
    header = data[begin : begin + 10]
    if len(header) < 2:
        return None
    length, size = header[1] & 0x7F, 2
    if length >= 126:
        size = 4 if length == 126 else 10
        if len(header) < size:
            return None
        length = int.from_bytes(header[2:size])
    return size + (MASK_SIZE if header[1] & 0x80 else 0) + length
