"""A spoken conversation by `@openai/agents-realtime` in Node, unchanged but for the address."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.openai_clients.conftest import GREETING, Host
from tests.openai_clients.test_how_to import PAGE

NODE = Path(__file__).parent / "node"

WITHIN_S = 100


def find_node() -> str:
    """The path of Node. Without it, or without the client, the test is skipped; in continuous integration it fails."""
    node = shutil.which("node")
    if node and (NODE / "node_modules/@openai/agents-realtime").is_dir():
        return node
    wanted = "the client for Node" if node else "Node.js with npm"
    message = f"{wanted} is not installed: `npm install --prefix {NODE}` installs the client"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def converse(host: Host, speech: Path) -> dict[str, Any]:
    """Run the script, and return its report."""
    wanted = {
        "url": f"ws://{host.address}/v1/realtime?model=front-desk",
        "apiKey": host.client_secret(),
        "speech": str(speech),
    }
    command = [find_node(), str(NODE / "conversation.mjs"), json.dumps(wanted)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def test_the_example_of_the_how_to_gets_its_answer(host: Host) -> None:
    [example] = re.findall(r"^## @openai/agents-realtime.*?^```js\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    adapted = example.replace("127.0.0.1:8000", host.address).replace("ek_none", host.client_secret())
    code = f"const play = () => {{}}, stopPlaying = () => {{}};\n{adapted}"
    command = [find_node(), "--input-type=module", "--eval", code]
    with subprocess.Popen(command, cwd=NODE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        try:
            answered = any("On Sunday we are open" in line for line in running.stdout)
        finally:
            running.kill()
    assert answered


def text_of(item: dict[str, Any]) -> str:
    return "".join(part.get("transcript") or part.get("text") or "" for part in item["content"])


def test_it_holds_a_spoken_conversation(host: Host, speech: Path) -> None:
    report = converse(host, speech)
    types = [event["type"] for event in report["received"]]
    assert "failure" not in report, (report["failure"], report["errors"], types, host.log.read_text()[-3000:])
    assert report["errors"] == []

    # It talked over the greeting: what was heard is the beginning of it.
    assert report["interruptions"] == 1
    assert report["cut"]["response"]["status"] == "cancelled"
    assert report["cut"]["response"]["status_details"]["reason"] == "turn_detected"
    heard = text_of(report["greeting"])
    assert GREETING.startswith(heard)
    assert 0 < len(heard) < len(GREETING)
    assert report["truncated"]["item_id"] == report["greeting"]["id"]

    # It was understood, and heard the answer.
    assert "weather" in report["question"].lower()
    for answer in (report["answer"], report["typedAnswer"]):
        assert answer["response"]["status"] == "completed"
        assert report["audioBytes"][answer["response"]["id"]] > 24_000
    assert "Friday" in text_of(report["typedAnswer"]["response"]["output"][-1])

    told = [(item["role"], item["text"]) for item in report["history"]]
    assert [role for role, _ in told] == ["assistant", "user", "assistant", "user", "assistant"]
    assert told[0][1] == heard
    assert told[1][1] == report["question"]
    assert told[3][1] == "What time do you open on Friday?"
