"""What stands on the pages: links lead somewhere, snippets are valid and, where they say so, run."""

import ast
import json
import os
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.docs.markdown import PAGES, ROOT, Block, anchors, blocks, links
from voice_host.settings.environment import Environment
from voice_host.settings.model import Tables
from voice_host.settings.secrets import is_reference
from voice_host.settings.variables import VariableReader

HOST = ROOT / "host/src/voice_host"
ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]
PYTHON = [block for block in ALL_BLOCKS if block.info.split()[:1] == ["python"]]
TOML = [block for block in ALL_BLOCKS if block.info == "toml"]


def dead(page: Path, target: str) -> bool:
    """Whether a relative link, or the anchor in it, leads nowhere."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists() or not file.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in anchors(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    relative = [target for target in links(page) if not target.startswith(("http://", "https://"))]
    assert [target for target in relative if dead(page, target)] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            found = [(page.parent / target.partition("#")[0]).resolve() for target in links(page) if ":" not in target]
            waiting += [file for file in found if file.suffix == ".md"]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_python_snippet_compiles(block: Block) -> None:
    assert compile(block.code, str(block), "exec")


@pytest.mark.parametrize("block", [block for block in PYTHON if block.info == "python run"], ids=str)
def test_a_python_snippet_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))]:
        monkeypatch.delenv(name)
    module = ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)
    exec(compile(block.code, str(block), "exec"), vars(module))
    assert len(vars(module)) > len(vars(ModuleType("empty")))


@pytest.mark.parametrize("block", TOML, ids=str)
def test_toml_is_valid(block: Block) -> None:
    tables = tomllib.loads(block.code)
    assert tables
    if tables.keys() <= Tables.model_fields.keys():
        assert Tables.model_validate(resolved(tables))


def resolved(value: Any) -> Any:
    """A table with some text in the place of each reference to a variable or a file."""
    if is_reference(value):
        return "referred to, and long enough for any secret"
    return {key: resolved(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def test_the_protocols_example_is_valid_json() -> None:
    [example] = [block for block in ALL_BLOCKS if block.page.name == "call-protocol.md"]
    lines = [line[2:] for line in example.code.splitlines() if line[2:3] == "{"]
    assert len(lines) > 5
    assert all("type" in json.loads(line) for line in lines)


def test_the_readme_shows_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    serve = "pip install uv && uv run voice-host serve      # then speak or type to the example agent at http://localhost:8000"
    assert serve in readme
    assert "    pip install uv && uv run pytest\n" in readme
    assert "`pipx install uv`" in readme, "for Pythons whose pip refuses"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_takes_it_that_an_environment_contains_pip(page: Path) -> None:
    """Those that uv makes contain none. Only uv itself is installed with pip."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<!uv )pip install (?!uv\b).*", text) == []


def test_no_message_takes_it_that_the_environment_contains_pip() -> None:
    said = [
        f"{file.relative_to(HOST)}: {node.value}"
        for file in HOST.rglob("*.py")
        if file.name != "installing.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "pip install" in node.value
    ]
    assert said == [], "voice_host.plugins.installing knows the command"


def test_variables_with_the_prefix_of_the_host_are_its_own() -> None:
    """Others would keep the host from starting where a reader has set them."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    names = set(re.findall(r"\bVOICE_HOST_[A-Z0-9_]*[A-Z0-9]\b(?!__)", text))
    assert "VOICE_HOST_MODEL" in names
    reader = VariableReader(agent_ids=["front-desk"], extensions=[], ignore=[])
    for _ in reader.read(Environment(dict.fromkeys(names, "text"))):
        pass
    assert [problem.where for problem in reader.problems] == []
