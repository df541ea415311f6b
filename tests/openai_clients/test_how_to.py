"""The Python examples of docs/how-to/use-openai-clients.md, as they stand there, but for the address and the key."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.groups import needs
from tests.openai_clients.conftest import Host

PAGE = Path(__file__).parents[2] / "docs/how-to/use-openai-clients.md"
EXAMPLES = re.findall(r"^## (\S+) \(Python\)\n.*?^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_the_examples_get_their_answers(host: Host) -> None:
    needs("openai-agents")
    assert [name for name, _ in EXAMPLES] == ["openai", "openai-agents"]
    running = []
    for _, code in EXAMPLES:
        adapted = code.replace("127.0.0.1:8000", host.address).replace('"none"', f'"{host.key}"')
        command = [sys.executable, "-c", adapted]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    try:
        for process in running:
            assert process.stdout is not None
            lines = []
            while lines[-1:] == [] or "On Sunday we are open" not in lines[-1]:
                line = process.stdout.readline()
                assert line, "".join(lines)
                lines.append(line)
    finally:
        for process in running:
            process.kill()
            process.communicate()
