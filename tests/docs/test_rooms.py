"""docs/architecture.md lists the rooms of the host from top to bottom, and no room imports one above it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, read, rows, section

HOST = ROOT / "host/src/voice_host"
SDK = ROOT / "sdk/src/voice_host_sdk"
ROOMS = [name.strip("`/") for name, _ in rows(section("docs/architecture.md", "The rooms of the host"))[1:]]
"""From the highest to the lowest: a file by its name, a folder without its slash. A file of a room may stand lower."""

ENTRANCES = {"__init__.py", "__main__.py"}
"""They hand on what is in the rooms, and are imported by none: it would load the whole house."""

LONGEST_FILE = 450


def modules(node: ast.AST) -> list[str]:
    """Return the modules that an import statement may load; `from a import b` may load `a.b`."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0, names=names):
            return [f"{module}.{alias.name}" for alias in names]
        case ast.ImportFrom():
            raise AssertionError(f"a relative import: {ast.unparse(node)}")
    return []


def imports(file: Path) -> Iterator[str]:
    """Yield all that a file imports, also within functions and for type checkers alone."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        yield from modules(node)


def imported_rooms(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the rooms that a file of the host imports from, and the module it names."""
    for module in imports(file):
        package, _, rest = module.partition(".")
        if package == "voice_host" and rest:
            yield room_of(rest), module


def room_of(module: str) -> str:
    """Return the room of a module of the host, or the file that stands in the list by itself."""
    parts = module.split(".")
    if (file := "/".join(parts[:2]) + ".py") in ROOMS:
        return file
    return parts[0] if (HOST / parts[0]).is_dir() else f"{parts[0]}.py"


def test_the_list_has_every_room_and_no_other() -> None:
    there = {path.name for path in HOST.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert sorted(room for room in ROOMS if "/" not in room) == sorted(there - ENTRANCES - {"__pycache__"})
    assert [room for room in ROOMS if not (HOST / room).exists()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    below = ROOMS[ROOMS.index(room) :]  # and itself
    inside = HOST.joinpath(room).rglob("*.py") if (HOST / room).is_dir() else [HOST / room]
    files = [file for file in inside if str(file.relative_to(HOST)) not in ROOMS or file == HOST / room]
    upwards = [
        f"{file.relative_to(HOST)} imports {module}"
        for file in files
        for target, module in imported_rooms(file)
        if target not in below
    ]
    assert upwards == []


def test_the_arrows_of_the_picture_are_imports() -> None:
    picture = read("docs/architecture.md").partition("```mermaid\nflowchart TD")[2].partition("```")[0]
    arrows = re.findall(r"^ +(\w+)(?:\[.*?\])? -->(?:\|.*?\|)? (\w+)", picture, re.MULTILINE)
    assert len(arrows) > 20
    rooms = {"embedding": ["voice_app.py", "router.py"]}
    for upper, lower in arrows:
        files = [file for room in rooms.get(upper, [upper]) for file in inside(room)]
        assert lower in {room for file in files for room, _ in imported_rooms(file)}, f"{upper} does not import {lower}"


def test_the_sdk_imports_nothing_of_the_host() -> None:
    found = {module: file for file in SDK.rglob("*.py") for module in imports(file)}
    assert {module: file for module, file in found.items() if module.partition(".")[0] == "voice_host"} == {}


def test_every_file_can_be_read_in_one_sitting() -> None:
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in HOST.rglob("*.py")}
    assert {file: length for file, length in lengths.items() if length > LONGEST_FILE} == {}


PURE = ("turns", "clients", "text", "call/events.py", "call/playout_clock.py")
"""Rooms and files without I/O, so that tests need no event loop: they import no asyncio, however indirectly."""

TRANSPORTS = ("clients/transport",)
"""The only I/O of the room of client protocols."""


def host_file(module: str) -> Path | None:
    """Return the file of a module of the host, or of the module that a name is imported from."""
    parts = module.split(".")[1:]
    for path in (HOST.joinpath(*parts), HOST.joinpath(*parts[:-1])):
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file() and file != HOST / "__init__.py":
                return file
    return None


def reached(file: Path, seen: set[Path]) -> set[Path]:
    """Return a file with all files of the host that it imports, and that they import."""
    if file not in seen:
        seen.add(file)
        for module in imports(file):
            if module.startswith("voice_host.") and (imported := host_file(module)) is not None:
                reached(imported, seen)
    return seen


def inside(place: str) -> list[Path]:
    """Return the files of a room, or the one file."""
    return sorted(HOST.joinpath(place).rglob("*.py")) if (HOST / place).is_dir() else [HOST / place]


@pytest.mark.parametrize("place", PURE)
def test_what_does_no_io_imports_no_asyncio(place: str) -> None:
    transports = {file for transport in TRANSPORTS for file in inside(transport)}
    files = set().union(*(reached(file, set()) for file in inside(place) if file not in transports))
    found = {
        str(file.relative_to(HOST)): module
        for file in files
        for module in imports(file)
        if module.partition(".")[0] in ("asyncio", "anyio", "starlette", "websockets")
    }
    assert found == {}


@pytest.mark.parametrize(
    ("room", "unknown"),
    [
        ("conversation", ("sessions", "call", "turns", "clients", "fleet", "front", "auth", "admission")),
        ("sessions", ("call", "clients", "fleet", "front", "auth", "admission")),
    ],
)
def test_conversations_and_sessions_know_nothing_of_who_uses_them(room: str, unknown: tuple[str, ...]) -> None:
    known = {f"{file.relative_to(HOST)}: {module}" for file in inside(room) for target, module in imported_rooms(file)}
    assert {line for line in known if line.partition("voice_host.")[2].partition(".")[0] in unknown} == set()
