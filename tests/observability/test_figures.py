"""The metrics of worker processes, added up in the front."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from voice_host.fleet.report import AgentReport, ReleaseReport, WorkerReport
from voice_host.front.exposition import exposition
from voice_host.observability.figures import (
    MAX_ENDED_RELEASES,
    MAX_LABEL_CHARS,
    MAX_SAMPLES,
    OLDER,
    SAMPLES_AT_ONCE,
    ChangedSamples,
    Figures,
    Sample,
    WorkerFigures,
)
from voice_host.observability.recent import STEP_S, WINDOW_S, Recent, quantile

CALLS = "voice_host_calls_total"
ACTIVE = "voice_host_calls_active"


class Process:
    """The metrics of a process, as the host has them, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("voice_host_calls", "Calls.", ["agent"], registry=self.registry)
        self.active = Gauge("voice_host_calls_active", "Calls now.", ["agent"], registry=self.registry)
        self.errors = Counter("voice_host_errors", "Errors.", ["agent", "code"], registry=self.registry)
        self.blocked = Histogram(
            "voice_host_loop_blocked_seconds",
            "Blocked.",
            ["agent"],
            buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.changed = ChangedSamples(self.registry)

    def sent(self) -> list[Sample]:
        """Send what has changed."""
        found: list[Sample] = []

        def send(samples: list[Sample]) -> bool:
            found.extend(samples)
            return True

        self.changed.send(send)
        return found


def front() -> Figures:
    """Figures of a front that has counted nothing itself."""
    return Figures(Process().registry)


def scraped(
    figures: Figures, agents: Iterable[AgentReport] = (), labels: dict[str, str] | None = None
) -> dict[str, float]:
    """Return what Prometheus would read: samples by name and labels."""
    text = exposition(labels or {}, figures, agents).decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            name = f"{sample.name}{dict(sorted(sample.labels.items()))}"
            assert name not in found
            found[name] = sample.value
    return found


def calls(figures: Figures, agent_id: str = "desk") -> float:
    return scraped(figures).get(f"{CALLS}{{'agent': '{agent_id}'}}", 0.0)


def test_only_what_has_changed_is_sent() -> None:
    process = Process()
    process.calls.labels("desk").inc(2)
    process.active.labels("desk").inc()
    assert {(name, value) for name, _, value in process.sent()} == {(CALLS, 2.0), (ACTIVE, 1.0)}
    assert process.sent() == []
    process.active.labels("desk").dec()
    assert [(name, value) for name, _, value in process.sent()] == [(ACTIVE, 0.0)]


def test_what_could_not_be_sent_is_sent_the_next_time() -> None:
    process = Process()
    process.calls.labels("desk").inc(2)
    process.changed.send(lambda _: False)
    assert [(name, value) for name, _, value in process.sent()] == [(CALLS, 2.0)]


def test_many_samples_are_sent_in_several_messages() -> None:
    process = Process()
    for number in range(2 * SAMPLES_AT_ONCE + 1):
        process.errors.labels("desk", str(number)).inc()
    sizes: list[int] = []
    process.changed.send(lambda samples: sizes.append(len(samples)) or len(sizes) < 2)  # type: ignore[func-returns-value]
    assert sizes == [SAMPLES_AT_ONCE] * 2
    assert len(process.sent()) == SAMPLES_AT_ONCE + 1


def test_counters_stay_when_a_worker_leaves_and_gauges_go_with_it() -> None:
    figures = front()
    one, two = figures.of_worker("desk", "1.0"), figures.of_worker("desk", "1.0")
    for worker in (one, two):
        worker.update([(CALLS, {"agent": "desk"}, 3), (ACTIVE, {"agent": "desk"}, 1)])
    before = scraped(figures)
    one.leave()
    one.leave()
    after = scraped(figures)
    assert (before["voice_host_calls_total{'agent': 'desk'}"], before["voice_host_calls_active{'agent': 'desk'}"]) == (
        6,
        2,
    )
    assert (after["voice_host_calls_total{'agent': 'desk'}"], after["voice_host_calls_active{'agent': 'desk'}"]) == (
        6,
        1,
    )


def test_histograms_of_processes_are_added_up() -> None:
    figures = front()
    for blocked_s in (0.3, 7.0):
        process = Process()
        process.blocked.labels("desk").observe(blocked_s)
        figures.of_worker("desk", "1.0").update(process.sent())
    found = scraped(figures)
    assert found["voice_host_loop_blocked_seconds_count{'agent': 'desk'}"] == 2
    assert found["voice_host_loop_blocked_seconds_sum{'agent': 'desk'}"] == 7.3
    assert found["voice_host_loop_blocked_seconds_bucket{'agent': 'desk', 'le': '0.5'}"] == 1
    assert found["voice_host_loop_blocked_seconds_bucket{'agent': 'desk', 'le': '+Inf'}"] == 2


def test_what_the_front_counts_itself_is_added() -> None:
    process = Process()
    process.errors.labels("desk", "over_limit").inc()
    figures = Figures(process.registry)
    figures.of_worker("desk", "1.0").update([("voice_host_errors_total", {"agent": "desk", "code": "over_limit"}, 2)])
    assert scraped(figures)["voice_host_errors_total{'agent': 'desk', 'code': 'over_limit'}"] == 3


def test_labels_replace_agent_ids_and_agents_with_the_same_label_are_added_up() -> None:
    figures = front()
    for agent_id in ("a", "b", "c"):
        figures.of_worker(agent_id, "1.0").update([(CALLS, {"agent": agent_id}, 1)])
    found = scraped(figures, labels={"a": "shop", "b": "shop"})
    assert found["voice_host_calls_total{'agent': 'shop'}"] == 2
    assert found["voice_host_calls_total{'agent': 'c'}"] == 1
    assert found["voice_host_release_calls_total{'agent': 'shop', 'release': '1.0'}"] == 2


def test_a_worker_counts_for_its_own_agent_whatever_it_says() -> None:
    figures = front()
    figures.of_worker("desk", "1.0").update([(CALLS, {"agent": "other"}, 5)])
    assert (calls(figures, "desk"), calls(figures, "other")) == (5, 0)


REFUSED: list[Sample] = [
    ("voice_host_made_up_total", {"agent": "desk"}, 1),
    ("voice_host_requests_refused_total", {"status": "401", "reason": "credential"}, 1),  # concerns no agent
    ("voice_host_worker_cpu_seconds_total", {}, 1),  # measured by the front
    ("voice_host_calls_created", {"agent": "desk"}, 1),
    (CALLS, {}, 1),
    (CALLS, {"agent": "desk", "caller": "4711"}, 1),
    (CALLS, {"agent": "desk"}, -1),
    (CALLS, {"agent": "desk"}, float("nan")),
    (CALLS, {"agent": "desk"}, float("inf")),
    (CALLS, {"agent": "desk"}, 1e300),
    ("voice_host_errors_total", {"agent": "desk", "code": "x" * (MAX_LABEL_CHARS + 1)}, 1),
    ("voice_host_errors_total", {"agent": "desk", "code": "a\nb"}, 1),
    ("voice_host_loop_blocked_seconds_bucket", {"agent": "desk", "le": "0.123"}, 1),
]


def dropped(agent_id: str) -> float:
    return REGISTRY.get_sample_value("voice_host_samples_dropped_total", {"agent": agent_id}) or 0.0


def test_samples_that_are_not_the_hosts_are_refused_and_counted() -> None:
    figures, before, empty = front(), dropped("desk"), scraped(front())
    worker = figures.of_worker("desk", "1.0")
    for sample in REFUSED:
        worker.update([sample])
    assert {name for name, value in scraped(figures).items() if value} == {
        name for name, value in empty.items() if value
    }
    assert dropped("desk") - before == len(REFUSED)


def test_an_agent_cannot_make_more_than_so_many_series_however_often_it_comes_back() -> None:
    figures, before = front(), dropped("desk")
    for life in range(4):
        worker = figures.of_worker("desk", f"1.{life}")
        worker.update(
            ("voice_host_errors_total", {"agent": "desk", "code": f"{life}-{n}"}, 1) for n in range(MAX_SAMPLES)
        )
        worker.leave()
    shown = [name for name in scraped(figures) if name.startswith("voice_host_errors_total")]
    assert len(shown) == MAX_SAMPLES
    assert dropped("desk") - before == 3 * MAX_SAMPLES


def test_old_releases_are_shown_together() -> None:
    figures = front()
    for number in range(2 * MAX_ENDED_RELEASES):
        worker = figures.of_worker("desk", f"1.{number}")
        worker.update([(CALLS, {"agent": "desk"}, 1)])
        worker.leave()
    found = scraped(figures)
    by_release = {name: value for name, value in found.items() if name.startswith("voice_host_release_calls_total")}
    assert len(by_release) <= MAX_ENDED_RELEASES + 2
    assert by_release[f"voice_host_release_calls_total{{'agent': 'desk', 'release': '{OLDER}'}}"] > 1
    assert sum(by_release.values()) == calls(figures) == 2 * MAX_ENDED_RELEASES


def test_cpu_time_of_workers_that_have_left_stays() -> None:
    figures = front()
    worker = figures.of_worker("desk", "1.0")
    worker.measured(cpu_s=2.5)
    worker.leave()
    figures.of_worker("desk", "1.0").measured(cpu_s=1.0)
    assert scraped(figures)["voice_host_worker_cpu_seconds_total{'agent': 'desk', 'release': '1.0'}"] == 3.5


def test_releases_and_workers_are_exposed() -> None:
    workers = (
        WorkerReport(number=1, pid=10, status="ready", calls=2, memory_bytes=100),
        WorkerReport(number=2, pid=11, status="retiring", calls=1, memory_bytes=50),
    )
    release = ReleaseReport(name="1.0", version="1.0", traffic=100, status="ready", restarts=3, workers=workers)
    found = scraped(front(), [AgentReport(id="desk", status="ready", releases=(release,))])
    mine = {name.partition("{")[0]: value for name, value in found.items() if "'release': '1.0'}" in name}
    assert mine == {
        "voice_host_release_traffic_percent": 100,
        "voice_host_release_calls_active": 3,
        "voice_host_worker_memory_bytes": 150,
        "voice_host_worker_restarts_total": 3,
    }
    assert found["voice_host_workers{'agent': 'desk', 'release': '1.0', 'status': 'ready'}"] == 1
    assert found["voice_host_workers{'agent': 'desk', 'release': '1.0', 'status': 'retiring'}"] == 1


# --- whatever happens, counters do not go backwards ------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 30)),
        st.tuples(st.just("count"), st.integers(0, 5), st.integers(1, 9)),
        st.tuples(st.just("lie"), st.integers(0, 5), st.floats(allow_nan=True, allow_infinity=True)),
        st.tuples(st.just("send"), st.integers(0, 5)),
        st.tuples(st.just("leave"), st.integers(0, 5)),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_no_counter_ever_goes_backwards(steps: list[tuple[str, int, float]]) -> None:
    figures = front()
    running: list[tuple[Process, WorkerFigures]] = []
    before: dict[str, float] = {}
    for what, which, *much in steps:
        if what == "begin":
            running.append((Process(), figures.of_worker("desk", f"1.{which}")))
        elif running:
            process, worker = running[which % len(running)]
            match what:
                case "count":
                    process.calls.labels("desk").inc(much[0])
                    process.blocked.labels("desk").observe(much[0])
                case "lie":
                    worker.update([(CALLS, {"agent": "desk"}, much[0])])
                case "send" | "leave":
                    worker.update(process.sent())
                    if what == "leave":
                        worker.leave()
                        running.remove((process, worker))
        now = {name: value for name, value in scraped(figures).items() if "'release'" not in name}
        assert all(value <= now[name] for name, value in before.items())
        before = now


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), max_size=40))
def test_the_sum_is_what_all_processes_have_counted_and_sent(steps: list[tuple[int, int, bool]]) -> None:
    figures, total = front(), 0
    running = [(Process(), figures.of_worker("desk", "1.0")) for _ in range(4)]
    for which, much, leaves in steps:
        process, worker = running[which]
        process.calls.labels("desk").inc(much)
        total += much
        worker.update(process.sent())
        if leaves:
            worker.leave()
            running[which] = Process(), figures.of_worker("desk", "1.0")
        assert calls(figures) == total


# --- the last minutes ------------------------------------------------------------------------------------------------


def reply(bound: str, replies: int) -> Sample:
    labels = {"agent": "desk", "stage": "first_audio_out", "kind": "spoken", "le": bound}
    return "voice_host_stage_seconds_bucket", labels, replies


def test_recent_figures_are_about_the_last_minutes() -> None:
    now = [1000.0]
    figures = Figures(Process().registry, now=lambda: now[0])
    worker = figures.of_worker("desk", "1.0")
    worker.update([(CALLS, {"agent": "desk"}, 7), reply("0.5", 0), reply("1", 10), reply("+Inf", 10)])
    for _ in range(int(WINDOW_S / STEP_S) + 1):
        now[0] += STEP_S
        figures.record()
    assert figures.recent("desk") == Recent(seconds=WINDOW_S)
    worker.update([(CALLS, {"agent": "desk"}, 9), reply("0.5", 4), reply("1", 14), reply("+Inf", 14)])
    expected = Recent(seconds=WINDOW_S, calls=2, first_audio_p50_ms=250, first_audio_p95_ms=475)
    assert figures.recent("desk", "1.0") == expected
    assert figures.recent("desk", "2.0") == Recent()
    worker.leave()
    assert figures.recent("desk") == expected


def test_recent_figures_of_agents_in_this_process() -> None:
    now, process = [1000.0], Process()
    figures = Figures(process.registry, now=lambda: now[0])
    process.calls.labels("desk").inc(3)
    figures.record()
    assert figures.recent("desk").calls == 3
    now[0] += WINDOW_S + STEP_S
    figures.record()
    process.calls.labels("desk").inc()
    figures.record()
    assert figures.recent("desk").calls == 1


@given(st.lists(st.floats(0, 9, allow_nan=False), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_in_the_bucket_of_the_value(values: list[float], q: float) -> None:
    bounds = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, float("inf")]
    found = quantile({bound: sum(value <= bound for value in values) for bound in bounds}, q)
    exact = sorted(values)[math.ceil(q * len(values)) - 1]
    assert found is not None
    lower = max((bound for bound in [0.0, *bounds] if bound < exact), default=0.0)
    upper = min(bound for bound in bounds if bound >= exact)
    assert lower <= found <= upper
