"""`client.d.ts`, `client.js` and its reference agree, and TypeScript understands the types."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.markdown import rows, section
from voice_host.front.browser_client import FOLDER

TYPES = (FOLDER / "client.d.ts").read_text(encoding="utf-8")
CALL = (FOLDER / "client/call.js").read_text(encoding="utf-8")
ERRORS = (FOLDER / "client/errors.js").read_text(encoding="utf-8")
REFERENCE = "docs/reference/client-js.md"
PROJECT = Path(__file__).parent / "typescript"


def in_types(declaration: str) -> set[str]:
    """The names of the members of an interface, or of the texts of a union."""
    body = TYPES.partition(declaration)[2]
    if "interface" in declaration:
        return set(re.findall(r"^  (?:readonly )?(\w+)[<(:?]", body.partition("\n}")[0], re.MULTILINE))
    return set(re.findall(r'"(\w+)"', body.partition(";")[0]))


def in_reference(heading: str) -> set[str]:
    """The names in the first column of the tables of a section."""
    return {name for first, *_ in rows(section(REFERENCE, heading)) for name in re.findall(r"`(\w+)", first)}


def keys(source: str, table: str) -> set[str]:
    return set(re.findall(r"^  (\w+):", source.partition(f"const {table} = {{")[2].partition("\n};")[0], re.MULTILINE))


@pytest.mark.parametrize(("entrance", "folders"), [("client.js", ["client"]), ("widget.js", ["client", "widget"])])
def test_all_modules_are_loaded_at_once(entrance: str, folders: list[str]) -> None:
    modules = {f"./{folder}/{file.name}" for folder in folders for file in (FOLDER / folder).glob("*.js")}
    named = set(re.findall(r'^import .*"(.*)";', (FOLDER / entrance).read_text(encoding="utf-8"), re.MULTILINE))
    assert named - {"./client.js"} == {module for module in modules if "worklet" not in module}


def test_the_members_of_a_call() -> None:
    members = set(re.findall(r"^  (?:async |get )?([a-z]\w*)\(.*\{$", CALL.partition("class Call")[2], re.MULTILINE))
    assert members - {"constructor"} == in_types("export interface Call {") == in_reference("`Call`")


def test_the_events() -> None:
    emitted = set(re.findall(r'#emit\("(\w+)"|=> \["(\w+)"', CALL))
    assert {a or b for a, b in emitted} == in_types("export interface CallEvents {") == in_reference("Events")


def test_the_options_of_connect() -> None:
    common = in_types("export interface CommonOptions {")
    options = common | in_types("export interface AgentOptions extends CommonOptions {")
    assert options == in_reference("`connect(options)`")


def test_the_states_problems_and_ends() -> None:
    assert in_types("export type CallState =") == in_reference("States")
    assert keys(ERRORS, "PROBLEMS") == in_types("export type ProblemCode =") == in_reference("Problems")
    assert keys(ERRORS, "ENDS") == in_types("export type EndCause =") == in_reference("How a call ends")


def test_the_variables_and_parts_of_the_widget() -> None:
    styling = section("docs/how-to/put-an-agent-on-your-page.md", "Styling")
    variables = styling.partition("Variables,")[2].partition("\n\n")[0]
    used = re.findall(r"var\(--voice-agent-([a-z-]+)", (FOLDER / "widget/style.js").read_text(encoding="utf-8"))
    assert set(used) == set(re.findall(r"`([a-z-]+)`", variables)) - {"--voice-agent-"}
    parts = styling.partition("Parts:")[2].partition("\n\n")[0]
    sources = "".join(module.read_text(encoding="utf-8") for module in (FOLDER / "widget").glob("*.js"))
    made = {part for names in re.findall(r'part: ["`]([a-z -]+)', sources) for part in names.split()}
    assert made | {"user", "agent", "note"} == set(re.findall(r"`([a-z-]+)`", parts))


@pytest.mark.browser
def test_typescript_understands_the_types() -> None:
    compiler = PROJECT / "node_modules/.bin/tsc"
    if not compiler.exists():
        message = "no TypeScript: `npm install --prefix tests/browser/typescript`"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    checked = subprocess.run([compiler, "--project", PROJECT], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
