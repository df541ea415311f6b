"""What a confined process can still do, tried by real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from voice_host.workers import confinement
from voice_host.workers.confinement import Confinement, landlock_version, parts_without

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement is for Linux")

needs_landlock = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
needs_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can be another user")

NOBODY = 65534
PYTHON = Confinement(
    read=tuple(
        {"/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", sys.prefix, sys.base_prefix, *filter(None, sys.path)}
    ),
    write=("/dev/null",),
)
"""What a Python process needs."""

TRYING = """
import json, os, signal, socket, subprocess, sys
from pathlib import Path
from voice_host.workers.confinement import Confinement, close_others, confine, make_undumpable
outcomes = {}
def tried(name, function):
    try:
        outcomes[name] = function()
    except BaseException as error:
        outcomes[name] = type(error).__name__
"""


def run(code: str, *arguments: str, uid: int | None = None) -> dict[str, object]:
    """Run code in a process of its own, and return the outcome of all that it tried."""
    done = subprocess.run(
        [sys.executable, "-c", f"{TRYING}\n{code}\nprint(json.dumps(outcomes))", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `open/` and `closed/`, and a secret within each."""
    for name in ("open/notes", "open/keys", "closed/notes"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name, encoding="utf-8")
    (tmp_path / "open/link").symlink_to(tmp_path / "closed/notes")
    (tmp_path / "work").mkdir()
    return tmp_path


def test_a_folder_without_what_is_excepted(folder: Path) -> None:
    (folder / "open/deep/er").mkdir(parents=True)
    (folder / "open/deep/er/secret").touch()

    def parts(*except_for: str) -> list[str]:
        found: Iterator[str] = parts_without(str(folder / "open"), [str(folder / each) for each in except_for])
        return [str(Path(each).relative_to(folder)) for each in found]

    assert parts() == ["open"]
    assert parts("closed/notes") == ["open"]
    assert parts("open/keys") == ["open/deep", "open/notes"]
    assert parts("open/keys", "open/deep/er/secret") == ["open/notes"]
    assert parts("open") == []
    assert parts(".") == ["open"]  # what is named itself is allowed within an exception


@needs_landlock
def test_landlock_leaves_the_files_that_are_named(folder: Path) -> None:
    code = """
folder = Path(sys.argv[2])
confine(Confinement.from_json(sys.argv[1]))
for name in ("open/notes", "open/keys", "closed/notes", "open/link"):
    tried(name, (folder / name).read_text)
tried("list", lambda: os.listdir(folder))
tried("write", lambda: (folder / "work/file").write_text("x"))
tried("write elsewhere", lambda: (folder / "open/notes").write_text("x"))
tried("rename", lambda: os.rename(folder / "work/file", folder / "work/other"))
tried("child", lambda: subprocess.run(["cat", str(folder / "closed/notes")], capture_output=True).returncode)
tried("environ", lambda: len(Path(f"/proc/{os.getppid()}/environ").read_bytes()))
tried("memory", lambda: open(f"/proc/{os.getppid()}/mem", "rb").read(1))
tried("signal", lambda: os.kill(os.getppid(), 0))
"""
    wanted = replace(
        PYTHON,
        landlock=True,
        read=(*PYTHON.read, str(folder / "open")),
        write=(*PYTHON.write, str(folder / "work")),
        except_for=(str(folder / "open/keys"),),
    )
    outcomes = run(code, wanted.as_json(), str(folder))
    signalled = outcomes.pop("signal")
    assert outcomes == {
        "open/notes": "open/notes",
        "open/keys": "PermissionError",
        "closed/notes": "PermissionError",
        "open/link": "PermissionError",
        "list": "PermissionError",
        "write": 1,
        "write elsewhere": "PermissionError",
        "rename": None,
        "child": 1,
        "environ": "PermissionError",
        "memory": "PermissionError",
    }
    assert signalled == ("PermissionError" if landlock_version() >= 6 else None)


@needs_root
def test_another_user_s_files_and_processes_are_closed(folder: Path) -> None:
    code = """
secret = Path(sys.argv[2])
os.chdir(secret.parent)
confine(Confinement.from_json(sys.argv[1]))
tried("ids", lambda: [*os.getresuid(), *os.getresgid(), *os.getgroups()])
tried("secret", lambda: Path(secret.name).read_text())
tried("root again", lambda: os.setuid(0))
tried("environ", lambda: len(Path(f"/proc/{os.getppid()}/environ").read_bytes()))
tried("signal", lambda: os.kill(os.getppid(), 0))
"""
    secret = folder / "closed/notes"
    secret.chmod(0o600)
    outcomes = run(code, Confinement(uid=NOBODY, gid=NOBODY, groups=(NOBODY,)).as_json(), str(secret))
    assert outcomes.pop("ids") == [NOBODY] * 7
    assert set(outcomes.values()) == {"PermissionError"}


@needs_root
def test_processes_of_the_same_user_do_not_see_each_other_s_memory(tmp_path: Path) -> None:
    """Not as root, who sees everything."""
    code = """
import ctypes
def became_nobody():
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
def child(prepare):
    ready, done = os.pipe()
    if (pid := os.fork()) == 0:
        became_nobody()
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # dumpable, as a process that this user has started
        prepare()
        os.write(done, b"x")
        signal.pause()
    os.close(done)
    assert os.read(ready, 1)
    return pid
open_pid, closed_pid = child(lambda: None), child(make_undumpable)
became_nobody()
try:
    for name, pid in (("open", open_pid), ("closed", closed_pid)):
        tried(name, lambda: len(Path(f"/proc/{pid}/environ").read_bytes()) > 0)
        tried(f"{name} memory", lambda: open(f"/proc/{pid}/mem", "rb").close())
finally:
    for pid in (open_pid, closed_pid):
        os.kill(pid, signal.SIGKILL)
"""
    outcomes = run(code)
    assert outcomes["open"] is True
    assert {name: outcome for name, outcome in outcomes.items() if name.startswith("closed")} == {
        "closed": "PermissionError",
        "closed memory": "PermissionError",
    }


def test_nothing_that_a_confined_process_starts_has_more_rights_than_its_user() -> None:
    code = """
confine(Confinement())
def shown():
    return subprocess.run(["/bin/cat", "/proc/self/status"], capture_output=True, text=True).stdout
for name, status in (("own", Path("/proc/self/status").read_text()), ("started", shown())):
    lines = dict(line.split(":\\t") for line in status.splitlines() if ":\\t" in line)
    rights = {lines[each].strip("0") for each in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    tried(name, lambda: [lines["NoNewPrivs"], *sorted(rights)])
"""
    assert run(code) == {"own": ["1", ""], "started": ["1", ""]}


def test_only_the_descriptors_that_are_kept_stay_open() -> None:
    code = """
kept, other = socket.socketpair(), socket.socketpair()
close_others({kept[0].fileno()})
tried("kept", lambda: kept[0].getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM)
tried("other", lambda: other[0].getpeername())
"""
    assert run(code) == {"kept": True, "other": "OSError"}


def start(wanted: Confinement, *command: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-IS", confinement.__file__, wanted.as_json(), *command]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@needs_landlock
def test_a_program_is_confined_before_it_starts(folder: Path) -> None:
    wanted = replace(PYTHON, landlock=True)
    done = start(wanted, "/bin/cat", "/etc/passwd", str(folder / "closed/notes"))
    assert "root" in done.stdout
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


@needs_root
def test_a_program_that_cannot_be_confined_does_not_start() -> None:
    nobody = Confinement(uid=NOBODY, gid=NOBODY)
    again = Confinement(uid=1, gid=1).as_json()
    done = start(nobody, "/bin/sh", "-c", f"exec {sys.executable} -IS {confinement.__file__} '{again}' /bin/echo ran")
    assert "ran" not in done.stdout
    done = start(nobody, "/no/such/program")
    assert done.returncode == 1
    assert "the worker cannot be started" in done.stderr
