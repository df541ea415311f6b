"""docs/how-to/deploy-an-agent.md, done as it says, on a running host."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Block, blocks
from tests.releases.conftest import data_dir  # noqa: F401 (a fixture)
from tests.releases.hosts import DeployHost, deploying

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
    pytest.mark.real_time,
    pytest.mark.packaging,
    pytest.mark.timeout(600),
]

BLOCKS = [block for block in blocks(ROOT / "docs/how-to/deploy-an-agent.md") if block.note]


async def follow(host: DeployHost, block: Block) -> None:
    """Do what a block says."""
    what, _, file = block.note.partition(": ")
    if what == "edit":
        old, new = block.code.splitlines()
        text = (host.folder / file).read_text(encoding="utf-8")
        assert text.count(old[1:]) == 1
        (host.folder / file).write_text(text.replace(old[1:], new[1:]), encoding="utf-8")
        return
    for line in block.code.replace("http://localhost:8000", f"http://localhost:{host.port}").splitlines():
        command, *arguments = shlex.split(line)
        assert command == "voice-host"
        await host.done(*arguments)


async def traffic(host: DeployHost) -> dict[str, int]:
    return {name: each["traffic"] for name, each in (await host.releases("night-desk")).items()}


async def test_whoever_follows_the_page_has_deployed_and_rolled_back(
    tmp_path: Path,
    data_dir: Path,  # noqa: F811
) -> None:
    expected = [
        {"0.1.0": 100},
        {"0.1.0": 100},
        None,
        {"0.1.0": 100, "0.2.0": 0},
        {"0.1.0": 100, "0.2.0": 0},
        {"0.1.0": 0, "0.2.0": 100},
        {"0.1.0": 100, "0.2.0": 0},
        {"0.1.0": 90, "0.2.0": 10},
        {"0.1.0": 100, "0.2.0": 0},
    ]
    assert [block.note.partition(":")[0] for block in BLOCKS] == [
        *("run", "run", "edit", "run", "call", "run", "run", "run", "run")
    ]
    async with deploying(tmp_path, data_dir / "cache") as host:
        for block, after in zip(BLOCKS, expected, strict=True):
            await follow(host, block)
            if after is not None:
                assert await traffic(host) == after, str(block)
