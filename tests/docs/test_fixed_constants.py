"""A time or a size that is a constant is a setting that somebody decided against: the reference says which, and why."""

import importlib
import re
from pathlib import Path

import voice_host
from tests.docs.markdown import rows, section

ROOMS = (
    "admission",
    "auth",
    "call",
    "clients",
    "conversation",
    "fleet",
    "front",
    "models",
    "phone",
    "sessions",
    "speech",
    "turns",
)
HOST = Path(voice_host.__file__).parent
CONSTANT = re.compile(r"^([A-Z][A-Z_]*_(?:S|MS|BYTES|FRAMES|RETRIES|ATTEMPTS|CHARS))\b(?:: [^=]+)? = ", re.MULTILINE)


def constants() -> set[tuple[str, float]]:
    """Return the constants of the rooms in which calls are made, with their values."""
    found = set()
    for file in (file for room in ROOMS for file in (HOST / room).rglob("*.py")):
        for name in CONSTANT.findall(file.read_text(encoding="utf-8")):
            if not name.startswith("DEFAULT_"):
                module = "voice_host." + ".".join(file.relative_to(HOST).with_suffix("").parts)
                found.add((name, float(getattr(importlib.import_module(module), name))))
    return found


def test_every_constant_that_could_be_a_setting_says_why_it_is_none() -> None:
    _, *table = rows(section("docs/reference/configuration.md", "What is fixed, and why"))
    told = [pair for row in table for pair in re.findall(r"`([A-Z_]+)` ([\d.]+)", row[0])]
    assert {(name, float(value)) for name, value in told} == constants()
    assert all(row[1] for row in table)
