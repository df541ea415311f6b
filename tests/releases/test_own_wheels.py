"""Wheels of the installed host, SDK and extensions."""

import zipfile
from pathlib import Path

import pytest

from tests.sample_plugins import PluginFolder
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


def test_extensions_are_taken_from_where_they_are_installed(tmp_path: Path, plugins: PluginFolder) -> None:
    package = install(plugins, "acme-speech")
    info = plugins.path / "acme_speech-1.2.3.dist-info"
    *_, wheel = own_wheels(tmp_path / "wheels", ["acme-speech"])
    assert wheel.name == "acme_speech-1.2.3-cp311-abi3-any.linux_x86_64.whl"
    inside = [f"{info.name}/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt", "RECORD")]
    assert sorted(zipfile.ZipFile(wheel).namelist()) == sorted([f"{package}/__init__.py", *inside])

    (info / "RECORD").write_text(f"_editable_acme.pth,,\n{info.name}/METADATA,,\n")
    *_, editable = own_wheels(tmp_path / "wheels", ["acme-speech"])
    assert editable.read_bytes() == wheel.read_bytes()


def test_files_that_have_changed_make_new_wheels(tmp_path: Path, plugins: PluginFolder) -> None:
    package = install(plugins, "acme-speech")
    before = own_wheels(tmp_path / "wheels", ["acme-speech"])
    (plugins.path / package / "__init__.py").write_text("SERVICE = 2")
    after = own_wheels(tmp_path / "wheels", ["acme-speech"])
    assert after[-1].parent != before[-1].parent
    assert zipfile.ZipFile(after[-1]).read(f"{package}/__init__.py") == b"SERVICE = 2"


def test_a_damaged_installation_is_named(tmp_path: Path, plugins: PluginFolder) -> None:
    with pytest.raises(CannotBuildWheel, match="acme is not completely installed"):
        own_wheels(tmp_path / "wheels", ["acme"])
    package = install(plugins, "acme-speech")
    (plugins.path / package / "__init__.py").unlink()
    with pytest.raises(CannotBuildWheel, match=f"the package {package} of acme-speech has no files"):
        own_wheels(tmp_path / "wheels", ["acme-speech"])
    (plugins.path / "acme_speech-1.2.3.dist-info" / "WHEEL").unlink()
    (plugins.path / package / "__init__.py").touch()
    with pytest.raises(CannotBuildWheel, match="the metadata of acme-speech lacks WHEEL"):
        own_wheels(tmp_path / "wheels", ["acme-speech"])


def install(plugins: PluginFolder, distribution: str) -> str:
    """Install an extension as from a wheel for two platforms, and return its package."""
    package = plugins.install_extension("acme", "SERVICE = 1", distribution=distribution)
    info = plugins.path / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-abi3-linux_x86_64\nTag: cp311-abi3-any\n")
    files = [f"{package}/__init__.py", f"{package}/__pycache__/x.pyc", "../../../bin/acme", f"{info.name}/METADATA"]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    return package
