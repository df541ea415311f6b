"""Wheels of the installed host and SDK."""

import zipfile
from pathlib import Path

import pytest

from voice_host.releases import own_wheels as module
from voice_host.releases.own_wheels import CannotBuildWheel, own_wheels


def test_the_wheels_contain_what_is_installed_and_nothing_that_was_compiled(tmp_path: Path) -> None:
    sdk, host = own_wheels(tmp_path)
    names = zipfile.ZipFile(host).namelist()
    assert {"voice_host/__init__.py", "voice_host/page/index.html", "voice_host/py.typed"} <= set(names)
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []
    assert sum(name.endswith(".dist-info/entry_points.txt") for name in names) == 1
    assert "voice_host_sdk/__init__.py" in zipfile.ZipFile(sdk).namelist()
    assert (sdk.name.split("-")[0], host.name.split("-")[0]) == ("voice_host_sdk", "voice_host")


def test_the_same_files_make_the_same_wheels(tmp_path: Path) -> None:
    first, second = own_wheels(tmp_path / "a"), own_wheels(tmp_path / "b")
    assert [wheel.read_bytes() for wheel in first] == [wheel.read_bytes() for wheel in second]
    assert first[0].parent.name == second[0].parent.name


def test_wheels_that_are_there_are_not_built_again(tmp_path: Path) -> None:
    built = own_wheels(tmp_path)
    times = [wheel.stat().st_mtime_ns for wheel in built]
    assert own_wheels(tmp_path) == built
    assert [wheel.stat().st_mtime_ns for wheel in built] == times


def test_a_host_whose_files_have_changed_gets_new_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = own_wheels(tmp_path)
    files = module._files

    def changed(distribution: str) -> list[tuple[str, bytes]]:
        return [(name, content + b"# new\n" * name.endswith("clock.py")) for name, content in files(distribution)]

    monkeypatch.setattr(module, "_files", changed)
    after = own_wheels(tmp_path)
    assert after[1] != before[1]
    assert zipfile.ZipFile(after[1]).read("voice_host/clock.py").endswith(b"# new\n")


def test_a_damaged_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_METADATA", ("METADATA", "NOWHERE"))
    with pytest.raises(CannotBuildWheel, match="the metadata of voice-host-sdk lacks NOWHERE"):
        own_wheels(tmp_path)
