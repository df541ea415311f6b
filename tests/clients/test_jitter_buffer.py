"""Packets that overtake each other, are lost, or come twice."""

from __future__ import annotations

from voice_host.clients.jitter_buffer import MAX_GAP_MS, MAX_HELD_FRAMES, JitterBuffer

SILENCE = b"\xff"


def packet(number: int) -> bytes:
    """20 ms of audio that tells which packet it is."""
    return bytes([number]) * 160


def passed(buffer: JitterBuffer, *numbers: int) -> list[int]:
    """Put packets in, each at its time, and return which came out; 255 is 20 ms of silence."""
    out = b"".join(buffer.put(number, number * 20, packet(number)) for number in numbers)
    return list(out[::160])


def buffer() -> JitterBuffer:
    return JitterBuffer(8, SILENCE)


def test_packets_in_order_wait_for_nothing() -> None:
    line = buffer()
    assert [passed(line, number) for number in (1, 2, 3)] == [[1], [2], [3]]


def test_packets_that_overtake_each_other_are_put_in_order() -> None:
    line = buffer()
    assert passed(line, 1, 3) == [1]
    assert passed(line, 4) == []
    assert passed(line, 2) == [2, 3, 4]


def test_a_lost_packet_is_waited_for_and_then_replaced_by_silence() -> None:
    line = buffer()
    waiting = range(3, 3 + MAX_HELD_FRAMES)
    assert passed(line, 1, *waiting) == [1]
    assert passed(line, waiting.stop) == [255, *waiting, waiting.stop]
    assert passed(line, waiting.stop + 1) == [waiting.stop + 1]


def test_packets_that_come_twice_or_too_late_are_dropped() -> None:
    line = buffer()
    assert passed(line, 1, 2, 2, 1, 3) == [1, 2, 3]


def test_a_gap_in_the_timestamps_is_filled() -> None:
    line = buffer()
    line.put(1, 0, packet(1))
    assert line.put(2, 20 + 60, packet(2)) == SILENCE * 480 + packet(2)


def test_a_long_gap_is_not_filled_twice() -> None:
    line = buffer()
    line.put(1, 0, packet(1))
    assert line.put(2, 21 + MAX_GAP_MS, packet(2)) == packet(2)
    assert line.put(3, 41 + MAX_GAP_MS, packet(3)) == packet(3)


def test_small_deviations_of_the_timestamps_are_not_filled_until_they_add_up() -> None:
    line = buffer()
    sizes = [len(line.put(number, (number - 1) * 25, packet(1))) for number in range(1, 9)]
    assert sizes == [160, 160, 160, 160, 320, 160, 160, 160]


def test_at_the_end_of_the_stream_nothing_waits() -> None:
    line = buffer()
    assert passed(line, 1, 3) == [1]
    assert line.flush() == SILENCE * 160 + packet(3)
    assert line.flush() == b""


def test_a_carrier_that_counts_from_the_beginning_again_is_heard() -> None:
    line = buffer()
    for number in range(1, 1001):
        line.put(number, number * 20, b"\0" * 160)
    assert passed(line, 1, 2) == [1, 2]
