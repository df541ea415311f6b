"""Everything around the program under test: services and callers in processes of their own, and what they saw."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field

from tests.benchmarks.callers.caller import Manner
from tests.benchmarks.child import Line
from tests.benchmarks.processes import Child, Cores, child
from tests.benchmarks.turns import Heard, Turn

KINDS = ("recogniser", "model", "voice")
CORES_FOR_EACH = 4
"""With so many cores beside the subject's, each service and each group of callers has a process of its own."""

CALLER_PROCESSES = 4
ANSWERED_WITHIN_S = 2.0
"""A turn that is older at the end of a measurement, and has no answer yet, counts as lost."""


@dataclass
class Subject:
    """A program under test that runs.

    Attributes:
        protocol: what callers speak, of `callers.protocols`.
        rings: whether it has to be told of calls before their streams connect.
    """

    name: str
    child: Child
    port: int
    path: str
    protocol: str = ""
    rings: bool = False


@dataclass
class Load:
    """What a stretch of talk cost.

    Attributes:
        subject_cpu: cores the subject used. `crowded`: the share of time it waited for its core, which others used.
        others_cpu: the share of their cores that callers and services used, of the process that used most of one.
    """

    seconds: float
    subject_cpu: float
    crowded: float
    others_cpu: float


@dataclass
class Seen:
    """What was seen in a stretch of time.

    Attributes:
        turns: those whose last word was told within it, in which nothing is missing.
        lost: turns without a reply. `errors`: codes that callers were told. `gone`: calls that could not begin or ended
            too early.
        microphone: how late the microphone's frames came to the recogniser; see `services.delays`.
    """

    calls: int
    load: Load
    turns: list[Turn] = field(default_factory=list)
    lost: int = 0
    gone: int = 0
    errors: list[str] = field(default_factory=list)
    microphone: dict[str, float] = field(default_factory=dict)


class Bench:
    """Runs calls against one subject at a time.

    Args:
        services: processes of simulated services. `callers`: processes of callers.
        others: how many cores they share.
    """

    def __init__(self, services: list[Child], callers: list[Child], others: int) -> None:
        self._services = services
        self._callers = callers
        self._others = others
        self._numbers = itertools.count(1)
        self._failed = 0
        self.calls = 0

    def set_pace(self, ms_per_word: int) -> None:
        """How slowly the voice speaks from now on."""
        for service in self._services:
            service.tell({"do": "pace", "ms_per_word": ms_per_word})

    async def join(self, subject: Subject, count: int, manner: Manner) -> None:
        """Connect so many callers more, one after the other; each begins to talk. Those that fail count as gone."""
        numbers = list(itertools.islice(self._numbers, count))
        streams = []
        if subject.rings:
            rung = await subject.child.ask({"do": "ring", "carrier": subject.protocol, "count": count}, "rung")
            streams = rung["streams"]
        for index, callers in enumerate(self._callers):
            line = {"do": "join", "port": subject.port, "path": subject.path, "manner": asdict(manner)}
            line |= {"protocol": subject.protocol, "streams": streams[index :: len(self._callers)]}
            line["numbers"] = numbers[index :: len(self._callers)]
            self._failed += (await callers.ask(line, "joined", timeout_s=300))["failed"]
        self.calls += count

    async def leave(self) -> None:
        """End all calls."""
        for callers in self._callers:
            await callers.ask({"do": "leave"}, "left", timeout_s=120)
        self.calls = self._failed = 0

    async def arrive(self, subject: Subject, at_once: int, times: int) -> list[float]:
        """Return ms from the first packet to `ready`, for callers who arrive together, again and again."""
        line = {"do": "arrive", "port": subject.port, "path": subject.path, "at_once": at_once, "times": times}
        answer = await self._callers[0].ask(line, "arrived", timeout_s=120)
        return [float(ms) for ms in answer["ready_ms"]]

    @asynccontextmanager
    async def watching(self, subject: Subject) -> AsyncIterator[Seen]:
        """Yield what will hold what happened inside, once it is left."""
        seen = Seen(self.calls, Load(0, 0, 0, 0))
        await self._collect()
        for process in (*self._services, *self._callers):
            process.tell({"do": "begin"})
        others_s = await self._others_cpu_s()
        before, began_s = await subject.child.usage(), time.monotonic()
        yield seen
        after, ended_s = await subject.child.usage(), time.monotonic()
        seconds = ended_s - began_s
        used_s = [now_s - before_s for now_s, before_s in zip(await self._others_cpu_s(), others_s, strict=True)]
        seen.load = Load(
            seconds=seconds,
            subject_cpu=(after.cpu_s - before.cpu_s) / seconds,
            crowded=(after.waited_s - before.waited_s) / seconds,
            others_cpu=max(max(used_s) / seconds, sum(used_s) / seconds / self._others),
        )
        self._enter(seen, began_s, ended_s, await self._collect())

    async def _collect(self) -> tuple[list[Line], list[Line]]:
        served = [await service.ask({"do": "collect"}, "events") for service in self._services]
        heard = [await callers.ask({"do": "collect"}, "heard") for callers in self._callers]
        return served, heard

    async def _others_cpu_s(self) -> list[float]:
        mine = resource.getrusage(resource.RUSAGE_SELF)
        usages = [await process.usage() for process in (*self._services, *self._callers)]
        return [mine.ru_utime + mine.ru_stime, *(usage.cpu_s for usage in usages)]

    def _enter(self, seen: Seen, began_s: float, ended_s: float, collected: tuple[list[Line], list[Line]]) -> None:
        served, heard = collected
        turns = {line["tag"]: Turn(Heard(**line)) for told in heard for line in told["turns"]}
        for told in served:
            for tag, what, at_s in told["events"]:
                if tag in turns:
                    turns[tag].at[what] = at_s
        for turn in turns.values():
            if turn.heard.lost:
                seen.lost += 1
            elif began_s <= (final_s := turn.at.get("final", 0.0)) <= ended_s:
                if turn.complete:
                    seen.turns.append(turn)
                elif final_s < ended_s - ANSWERED_WITHIN_S:
                    seen.lost += 1
        seen.errors = [code for told in heard for code in told["errors"]]
        seen.gone = self._failed + sum(told["gone"] for told in heard)
        seen.microphone = _mean([delays for told in served for delays in told["delays"] if delays["frames"]])


def _mean(delays: list[dict[str, float]]) -> dict[str, float]:
    """The delays of all calls together; the 95th percentile is the mean of theirs."""
    frames = sum(call["frames"] for call in delays)
    if not frames:
        return {}
    names = ("mean_ms", "beyond_ms", "p95_ms")
    return {name: sum(call[name] * call["frames"] for call in delays) / frames for name in names}


@asynccontextmanager
async def running(names: tuple[str, ...], kinds: tuple[str, ...] = KINDS) -> AsyncIterator[tuple[Bench, list[Subject]]]:
    """The bench and the subjects, each in its process; all gone afterwards. `kinds`: of the services."""
    cores = Cores.of_this_machine()
    cores.occupy_others()
    many = len(cores.others) >= CORES_FOR_EACH
    async with AsyncExitStack() as stack:
        services: list[Child] = []
        ports: dict[str, int] = {}
        for group in [(kind,) for kind in kinds] if many else [kinds]:
            process, ready = await stack.enter_async_context(
                child("tests.benchmarks.services", *group, cores=cores.others)
            )
            services.append(process)
            ports.update(ready["ports"])
        callers = []
        for _ in range(CALLER_PROCESSES if many else 1):
            process, _ready = await stack.enter_async_context(child("tests.benchmarks.callers", cores=cores.others))
            callers.append(process)
        subjects = []
        for name in names:
            module = f"tests.benchmarks.subjects.{name}"
            arguments = [ports[kind] for kind in kinds]
            process, ready = await stack.enter_async_context(child(module, *arguments, cores=cores.subject))
            subjects.append(Subject(name, process, ready["port"], ready["path"]))
        yield Bench(services, callers, len(cores.others)), subjects
