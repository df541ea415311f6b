"""What happens in a call is reported in one place: `call/report.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import voice_host.call
from tests.docs.test_rooms import HOST, imports

ROOM = Path(voice_host.call.__file__).parent
REPORT = "report.py"
FORBIDDEN_IMPORTS = {"voice_host.observability.metrics", "voice_host.observability.transcript_log"}
LOGS = "voice_host.observability.logs"
MAY_LOG = {REPORT, "handler.py"}
"""The handler warns of how it was set up, which is no event of a call."""


def reports(source: str, file: str = "some.py") -> Iterator[str]:
    """Yield what code does by itself that `report.py` is there for."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                loaded = {module, *(f"{module}.{alias.name}" for alias in names)}
                yield from (f"imports {name}" for name in sorted(loaded & FORBIDDEN_IMPORTS))
                if module == LOGS and file not in MAY_LOG:
                    yield f"imports {LOGS}"
            case ast.Import(names=names):
                yield from (f"imports {alias.name}" for alias in names if alias.name in FORBIDDEN_IMPORTS | {LOGS})
            case ast.Call(func=ast.Attribute(attr=method, value=receiver)):
                owner = getattr(receiver, "attr", getattr(receiver, "id", "")).lstrip("_")
                if owner in ("callbacks", "observers") or (owner in ("link", "client") and method == "tell"):
                    yield f"calls {owner}.{method}"


@pytest.mark.parametrize("file", sorted(ROOM.glob("*.py")), ids=lambda file: file.name)
def test_only_the_reporter_counts_logs_calls_back_and_tells_the_client(file: Path) -> None:
    found = list(reports(file.read_text(encoding="utf-8"), file.name))
    assert bool(found) == (file.name == REPORT), found


def test_only_the_public_face_knows_a_concrete_protocol() -> None:
    knowing = [file.name for file in ROOM.glob("*.py") if "voice_host_v1" in file.read_text(encoding="utf-8")]
    assert knowing == ["handler.py"]


MAY_COUNT = (
    "sessions",
    "front",
    "fleet",
    "phone",
    "supervisor",
    "speech",
    "models",
    "clients/transport",
    "tenancy",
    "tasks.py",
    "observability",
)
"""What counts its own: sessions and callbacks, requests, connections, background work."""

SHARED = {"LIMITS_EXCEEDED"}
"""Requests, connections and calls each have limits."""


def test_other_rooms_count_only_their_own() -> None:
    counting = {
        file.relative_to(HOST).as_posix()
        for file in HOST.rglob("*.py")
        if any(name.startswith("voice_host.observability.metrics") for name in imports(file))
    }
    others = counting - {"call/report.py"}
    assert [file for file in sorted(others) if not file.startswith(MAY_COUNT)] == []
    theirs = set().union(*(counted(HOST / file) for file in others if not file.startswith("observability/")))
    assert theirs & counted(ROOM / REPORT) == SHARED


def counted(file: Path) -> set[str]:
    """Return the metrics that a file uses."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "metrics"
    }


@pytest.mark.parametrize(
    "source",
    [
        "from voice_host.observability import metrics",
        "import voice_host.observability.metrics as counters",
        "from voice_host.observability.metrics import TURNS",
        "from voice_host.observability.transcript_log import log_turn",
        "from voice_host.observability.logs import get_logger",
        "call.session.callbacks.error(error)",
        "self._callbacks.user_turn(turn)",
        "async def f(): await self._client.tell(event)",
        "async def f(): await call.client.tell(event)",
    ],
)
def test_the_rule_notices_what_breaks_it(source: str) -> None:
    assert len(list(reports(source))) == 1
