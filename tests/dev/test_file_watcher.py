"""Which saved files matter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.dev.project import GOOD, Project
from voice_host.dev.file_watcher import FileWatcher

pytestmark = pytest.mark.real_time  # the system tells a thread of watchfiles what has changed


@asynccontextmanager
async def watching(changes: FileWatcher) -> AsyncIterator[None]:
    watch = asyncio.create_task(changes.watch())
    await asyncio.sleep(0)  # it begins to watch in its first step, and hands over to two more
    await asyncio.sleep(0)
    yield
    watch.cancel()
    await asyncio.wait({watch})


async def until(changes: FileWatcher, last: Path) -> set[Path]:
    """Everything that was noticed up to `last`, which was saved last."""
    noticed: set[Path] = set()
    async with asyncio.timeout(30):
        while last not in noticed:
            noticed |= await changes.next()
    return noticed


async def test_data_files_matter_and_what_tools_leave_does_not(tmp_path: Path) -> None:
    # Below a folder that would be ignored within the package: where the tree lies says nothing.
    package = Project(tmp_path / "node_modules" / "project").package
    changes = FileWatcher((package,), ())
    async with watching(changes):
        for ignored in ("__pycache__/agent.cpython-311.pyc", ".git/index", "agent.py.swp", "agent.py~"):
            (package / ignored).parent.mkdir(exist_ok=True)
            (package / ignored).touch()
        (package / "menu.json").write_text("{}", encoding="utf-8")
        noticed = await until(changes, package / "menu.json")
    assert {path for path in noticed if path.suffix} == {package / "menu.json"}


async def test_a_file_is_noticed_when_an_editor_puts_another_in_its_place(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    changes = FileWatcher((project.package,), (project.pyproject, project.folder / "voice-host.toml"))
    async with watching(changes):
        (project.folder / "notes.txt").touch()
        (project.folder / "new").write_text("[project]", encoding="utf-8")
        (project.folder / "new").replace(project.pyproject)
        assert await until(changes, project.pyproject) == {project.pyproject}
        (project.folder / "voice-host.toml").touch()
        await until(changes, project.folder / "voice-host.toml")
        project.save(GOOD)
        await until(changes, project.package / "__init__.py")


async def test_a_module_beside_pyproject_is_watched_alone(tmp_path: Path) -> None:
    (tmp_path / "ice_cream.py").touch()
    changes = FileWatcher((tmp_path / "ice_cream.py",), ())
    async with watching(changes):
        (tmp_path / "other.py").touch()
        (tmp_path / "ice_cream.py").write_text("x = 1", encoding="utf-8")
        assert await until(changes, tmp_path / "ice_cream.py") == {tmp_path / "ice_cream.py"}
