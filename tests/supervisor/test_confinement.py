"""What the settings of an agent come to: what its worker is to give up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from voice_host.releases.release import Release
from voice_host.settings import Settings, load_settings
from voice_host.supervisor.confinement import confinement_of
from voice_host.workers.confinement import CannotConfine, Confinement, landlock_version

if sys.platform != "linux":
    pytest.skip("workers are processes of Linux", allow_module_level=True)

import pwd

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run workers as another user")
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def settings_in(folder: Path, of_agent: str) -> Settings:
    file = folder / "voice-host.toml"
    file.write_text(f'[auth]\nkeys_file = "keys.json"\n[agent.desk]\n{of_agent}\n', encoding="utf-8")
    file.chmod(0o600)
    return load_settings(file, {})


def release(environment: Path | None = None) -> Release:
    return Release(
        agent_id="desk", name="1", distribution="desk", version="1", entry_point="desk", environment=environment
    )


def as_nobody(code: str, *arguments: object) -> str:
    """Run code as another user, and return what it prints."""
    became = f"import os, sys\nos.setgid({NOBODY.pw_gid}); os.setgroups([]); os.setuid({NOBODY.pw_uid})\n"
    done = subprocess.run(
        [sys.executable, "-c", became + code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


def test_without_options_nothing_is_given_up(folder: Path) -> None:
    assert confinement_of(settings_in(folder, ""), release()) == (Confinement(), {})


@needs_root
def test_a_user_is_let_into_its_own_release_and_nothing_else_of_the_data_directory(folder: Path) -> None:
    settings = settings_in(folder, 'user = "nobody"')
    own, other = (settings.data_dir / "releases" / name / "1/env" for name in ("desk", "other"))
    for environment in (own, other):
        environment.mkdir(parents=True)
        (environment / "code.py").write_text("code", encoding="utf-8")
    settings.data_dir.chmod(0o700)
    settings.operator_token_file.write_text("token", encoding="utf-8")
    settings.operator_token_file.chmod(0o600)

    wanted, variables = confinement_of(settings, release(own))
    assert (wanted.uid, wanted.gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert (variables["HOME"], variables["USER"]) == (NOBODY.pw_dir, "nobody")
    reading, listing = "print(open(sys.argv[1]).read())", "print(os.listdir(sys.argv[1]))"
    assert as_nobody(reading, own / "code.py") == "code"
    for closed in (other / "code.py", settings.operator_token_file, settings.path):
        assert "PermissionError" in as_nobody(reading, closed), closed
    for closed in (settings.data_dir, settings.data_dir / "releases", settings.data_dir / "releases/desk"):
        assert "PermissionError" in as_nobody(listing, closed), closed


@needs_root
def test_settings_that_the_user_may_read_are_an_error(folder: Path) -> None:
    settings = settings_in(folder, 'user = "nobody"')
    (folder / "voice-host.toml").chmod(0o644)
    with pytest.raises(CannotConfine, match=r"'nobody' may read .*voice-host.toml: run chmod o-rwx"):
        confinement_of(settings, release())
    folder.chmod(0o700)  # then the mode of the file does not matter
    confinement_of(settings, release())


@pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
def test_landlock_is_for_the_environment_and_the_paths_that_are_named(folder: Path) -> None:
    environment = folder / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to("/usr/bin/python3")
    packages = environment / "lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    (packages / "linked.pth").write_text("/srv/linked\nimport something\n", encoding="utf-8")
    settings = settings_in(folder, 'landlock = true\nread_paths = ["menus"]\nwrite_paths = ["/srv/notes"]')
    wanted, variables = confinement_of(settings, release(environment))
    assert {str(environment), "/srv/linked", str(folder / "menus")} <= set(wanted.read)
    assert {"/srv/notes", variables["TMPDIR"]} <= set(wanted.write)
    assert {str(folder / name) for name in ("voice-host.toml", "keys.json", "keys.json.token-secret")} <= set(
        wanted.except_for
    )
    assert str(settings.data_dir) in wanted.except_for
    temporary = Path(variables["TMPDIR"]).stat()
    assert (temporary.st_mode & 0o777, temporary.st_uid) == (0o700, os.geteuid())


@needs_root
def test_a_python_that_the_user_may_not_run_is_an_error(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "python3").touch(mode=0o755)
    environment = folder / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to(private / "python3")
    settings = settings_in(folder, 'user = "nobody"')
    with pytest.raises(CannotConfine, match=r"'nobody' may not run .*private/python3: install a Python"):
        confinement_of(settings, release(environment))
    private.chmod(0o755)
    confinement_of(settings, release(environment))
