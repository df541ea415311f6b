"""Wheels of the installed host, SDK and extensions."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlib_metadata import Distribution

from tests.sample_plugins import PluginFolder
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
    files = module._source_files

    def changed(distribution: Distribution) -> Iterator[tuple[str, bytes]]:
        for name, content in files(distribution):
            yield name, content + b"# new\n" * name.endswith("clock.py")

    monkeypatch.setattr(module, "_source_files", changed)
    monkeypatch.setattr(module, "_installed_files", lambda distribution: ())
    after = own_wheels(tmp_path)
    assert after[1] != before[1]
    assert zipfile.ZipFile(after[1]).read("voice_host/clock.py").endswith(b"# new\n")


def test_extensions_are_taken_from_where_they_are_installed(tmp_path: Path, plugins: PluginFolder) -> None:
    package = plugins.install_extension("acme", "SERVICE = 1", distribution="acme-speech")
    info = plugins.path / "acme_speech-1.2.3.dist-info"
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-abi3-linux_x86_64\nTag: cp311-abi3-any\n")
    files = [f"{package}/__init__.py", f"{package}/__pycache__/x.pyc", "../../../bin/acme", f"{info.name}/METADATA"]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    *_, wheel = own_wheels(tmp_path / "wheels", ["acme-speech"])
    assert wheel.name == "acme_speech-1.2.3-cp311-abi3-any.linux_x86_64.whl"
    inside = [f"{info.name}/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt", "RECORD")]
    assert sorted(zipfile.ZipFile(wheel).namelist()) == sorted([f"{package}/__init__.py", *inside])

    (info / "RECORD").write_text(f"_editable_acme.pth,,\n{info.name}/METADATA,,\n")
    *_, editable = own_wheels(tmp_path / "wheels", ["acme-speech"])
    assert editable.read_bytes() == wheel.read_bytes()


def test_a_damaged_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotBuildWheel, match="acme is not completely installed"):
        own_wheels(tmp_path, ["acme"])
    monkeypatch.setattr(module, "_METADATA", ("METADATA", "NOWHERE"))
    with pytest.raises(CannotBuildWheel, match="the metadata of voice-host-sdk lacks NOWHERE"):
        own_wheels(tmp_path)
