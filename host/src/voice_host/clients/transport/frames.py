"""Finds the boundaries of WebSocket frames (RFC 6455, 5.2), and parses the most common kinds of frames quickly."""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:  # websockets was built without a compiler
    from websockets.utils import apply_mask

END_OF_REQUEST = b"\r\n\r\n"
MASK_SIZE = 4

FINAL_BINARY = 0x82
"""First byte of a frame that is a whole binary message, and was not changed by an extension."""


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


def whole_binary_messages(data: bytes) -> list[bytes]:
    """Return the messages if `data` consists of masked frames with a whole binary message of less than 64 KiB each.

    Otherwise, or if the last frame is incomplete, return an empty list.
    """
    messages = []
    begin, end = 0, len(data)
    while begin < end:
        payload = begin + 2 + MASK_SIZE
        if payload > end or data[begin] != FINAL_BINARY:
            return []
        length = data[begin + 1] - 0x80
        if length == 126:
            length = data[begin + 2] << 8 | data[begin + 3]
            payload += 2
        elif not 0 <= length < 126:
            return []
        begin = payload + length
        if begin > end:
            return []
        messages.append(apply_mask(data[payload:begin], data[payload - MASK_SIZE : payload]))
    return messages


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
