"""How much of a reply a client has played: by the server's clock, and by the client's reports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_host.call.playout_clock import PlayoutClock


def test_the_clients_own_word_beats_the_estimate() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    assert clock.played_ms(400) == 400
    clock.report(100, now_ms=400)
    assert clock.played_ms(400) == 100
    assert clock.played_ms(450) == 150
    assert clock.played_ms(5000) == 1000


def test_a_client_that_reports_pauses_alone_is_not_lost_for_want_of_reports() -> None:
    clock = PlayoutClock()
    clock.add_sent(10_000, now_ms=0)
    for at_ms in (1000, 4000):
        clock.pause(at_ms, now_ms=at_ms)
        clock.resume(at_ms)
    clock.note_liveness(4500)
    assert clock.confirmed_played_ms(9000) == 4500


def test_a_client_that_ran_dry_plays_from_when_audio_comes_again() -> None:
    clock = PlayoutClock()
    clock.add_sent(100, now_ms=0)
    clock.add_sent(100, now_ms=1000)
    assert clock.played_ms(1000) == 100
    assert clock.played_ms(1050) == 150


def test_a_lost_client_has_played_on_until_a_report_is_missing() -> None:
    clock = PlayoutClock()
    clock.add_sent(5000, 0)
    assert clock.confirmed_played_ms(3000) == clock.played_ms(3000) == 3000  # it reports nothing: who knows
    clock.report(200, 250)
    assert clock.confirmed_played_ms(3000) == 2950  # it may report once only
    clock.report(400, 500)
    clock.report(600, 700)
    assert clock.played_ms(40_000) == 5000
    assert clock.confirmed_played_ms(40_000) == 850
    assert clock.confirmed_played_ms(800) == 700


def test_a_lost_client_that_reports_nothing_has_played_on_until_its_microphone_fell_silent() -> None:
    clock = PlayoutClock()
    clock.note_liveness(0)  # before any audio: it says nothing of this reply
    clock.add_sent(5000, 1000)
    assert clock.confirmed_played_ms(3000) == 2000
    for now_ms in (1020, 1500, 1800):
        clock.note_liveness(now_ms)
    assert clock.confirmed_played_ms(1810) == clock.confirmed_played_ms(40_000) == 800
    clock.add_sent(1000, 9000)  # the voice was slow: what was played stays played
    assert clock.confirmed_played_ms(40_000) == 800
    clock.report(900, 9100)
    assert clock.confirmed_played_ms(40_000) == 900
    clock.note_liveness(9200)
    assert clock.confirmed_played_ms(40_000) == 1000


def test_after_a_gap_a_client_that_reports_plays_from_when_audio_comes_again() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    clock.report(1000, now_ms=1000)
    clock.add_sent(400, now_ms=4000)
    assert clock.played_ms(4000) == 1000
    assert clock.played_ms(4050) == 1050
    assert clock.ahead_ms(4050) == 350


def test_each_of_several_gaps_counts() -> None:
    clock = PlayoutClock()
    for number in range(4):
        clock.add_sent(300, now_ms=2000 * number)
        assert clock.played_ms(2000 * number + 50) == 300 * number + 50
        clock.report(300 * number + 200, now_ms=2000 * number + 200)  # and nothing of the last 100 ms
        assert clock.played_ms(2000 * number + 250) == 300 * number + 250
        assert clock.played_ms(2000 * number + 1999) == 300 * number + 300


def test_a_report_before_the_first_audio_does_not_start_the_clock() -> None:
    clock = PlayoutClock()
    clock.report(0, now_ms=100)
    clock.add_sent(1000, now_ms=500)
    assert clock.played_ms(550) == 50


def test_a_report_that_is_late_counts_from_when_it_came() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    clock.report(700, now_ms=900)  # 200 ms late
    clock.add_sent(400, now_ms=4000)
    assert clock.played_ms(4050) == 1050
    clock.report(1000, now_ms=4100)  # from before the gap, or the client has begun 100 ms later
    assert clock.played_ms(4150) == 1050


def test_a_client_that_has_played_everything_sooner_than_expected_waits_for_more() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    clock.report(1000, now_ms=900)
    clock.add_sent(400, now_ms=950)  # by the server's clock, there is no gap
    assert clock.played_ms(950) == 1000
    assert clock.played_ms(1000) == 1050


def test_a_client_that_plays_slower_has_no_gap_until_it_has_played_everything() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    for now_ms in range(200, 1200, 200):
        clock.report(0.8 * now_ms, now_ms)
    clock.add_sent(400, now_ms=1050)  # by the server's clock, it has played everything
    assert clock.played_ms(1100) == 900
    clock.report(1200, now_ms=1500)
    clock.add_sent(100, now_ms=3000)
    assert clock.played_ms(3000) == 1400
    assert clock.played_ms(3020) == 1420


def test_a_gap_is_no_time_in_which_a_report_was_missing() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    for now_ms in range(100, 1100, 100):
        clock.report(now_ms, now_ms)
    clock.add_sent(1000, now_ms=5000)
    clock.report(1100, now_ms=5100)
    assert clock.confirmed_played_ms(60_000) == 1200


def test_a_client_that_was_lost_in_a_gap_has_played_nothing_after_it() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    for now_ms in range(100, 1100, 100):
        clock.report(now_ms, now_ms)
    for now_ms in (5000, 10_000, 15_000):
        clock.add_sent(500, now_ms)
    assert clock.confirmed_played_ms(60_000) == 1100  # its next report is overdue after 100 ms


@pytest.mark.parametrize("reports", [True, False])
def test_what_a_client_says_at_the_end_is_at_most_what_it_had_time_for(reports: bool) -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    if reports:
        clock.report(1000, now_ms=1000)
    clock.add_sent(400, now_ms=4000)
    clock.stop(1400, now_ms=4150)  # counted from the first audio
    assert clock.played_ms(9000) == 1150


def test_a_client_that_stops_sooner_is_believed() -> None:
    clock = PlayoutClock()
    clock.add_sent(1000, now_ms=0)
    clock.stop(200, now_ms=900)
    assert clock.played_ms(9000) == 200


class Client:
    """Plays what it gets at once, and knows how much it has played."""

    def __init__(self) -> None:
        self._ends_ms = self._sent_ms = 0

    def get(self, duration_ms: int, now_ms: int) -> None:
        self._ends_ms = max(self._ends_ms, now_ms) + duration_ms
        self._sent_ms += duration_ms

    def played_ms(self, now_ms: int) -> int:
        return self._sent_ms - max(0, self._ends_ms - now_ms)


@given(st.lists(st.tuples(st.sampled_from(["send", "report", "wait"]), st.integers(1, 500)), max_size=40))
def test_it_agrees_with_a_client_that_reports_exactly_whenever_it_does(steps: list[tuple[str, int]]) -> None:
    clock, client, now_ms = PlayoutClock(), Client(), 0
    for step, duration_ms in steps:
        match step:
            case "send":
                clock.add_sent(duration_ms, now_ms)
                client.get(duration_ms, now_ms)
            case "report":
                clock.report(client.played_ms(now_ms), now_ms)
            case "wait":
                now_ms += duration_ms
        assert clock.played_ms(now_ms) == client.played_ms(now_ms)
        assert clock.ahead_ms(now_ms) == clock.sent_ms - client.played_ms(now_ms)
