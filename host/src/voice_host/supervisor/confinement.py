"""What the worker of an agent is to give up, by the settings: `Confinement`. Blocks for moments, to look at files."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from voice_host.settings import DOTENV_FILE, Settings
from voice_host.workers.confinement import CannotConfine, Confinement, landlock_version

if TYPE_CHECKING:
    from voice_host.releases.release import Release

_SYSTEM_READ = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/nix/store", "/run/systemd/resolve"),
    *("/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/dev/random", "/dev/urandom"),
)
"""What programs and libraries read. Other processes in `/proc` stay closed: Landlock does not let a worker look into
processes that are less confined."""

_SYSTEM_WRITE = ("/dev/null", "/dev/zero", "/dev/full")


class Account(NamedTuple):
    """A system user."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def account_of(name: str) -> Account:
    """Return the system user of that name.

    Raises:
        CannotConfine: there is none, it is root, or the host cannot start processes of other users.
    """
    import pwd  # not on Windows

    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise CannotConfine(f"there is no system user {name!r}") from None
    if found.pw_uid == 0:
        raise CannotConfine("its user must not be root")
    if os.geteuid() not in (0, found.pw_uid):
        raise CannotConfine(f"only a host that is run by root can run workers as {name!r}")
    groups = tuple(os.getgrouplist(name, found.pw_gid)) if os.geteuid() == 0 else ()
    return Account(name, found.pw_uid, found.pw_gid, groups, found.pw_dir)


def confinement_of(settings: Settings, release: Release) -> tuple[Confinement, dict[str, str]]:
    """Return what a worker is to give up, and the variables that it needs because of that.

    Creates the worker's folder for temporary files, and lets its user into the environment of a deployed release.

    Raises:
        CannotConfine: it is not possible here. The message says why.
    """
    own = settings.for_agent(release.agent_id)
    variables: dict[str, str] = {}
    wanted = Confinement()
    if own.user is not None and (account := account_of(own.user)).uid != os.geteuid():
        wanted = Confinement(uid=account.uid, gid=account.gid, groups=account.groups)
        variables = {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
        _check_python(account, release)
        _let_in(account, release, settings.data_dir)
        _check_closed(account, settings)
    if not (settings.agents.landlock if own.landlock is None else own.landlock):
        return wanted, variables
    if landlock_version() == 0:
        raise CannotConfine("this kernel has no Landlock, or it is turned off")
    temporary = str(_temporary(release.agent_id, wanted.uid))
    read = (*_SYSTEM_READ, *_certificates(), *_of_python(release.python), *_paths(settings, own.read_paths))
    write = (*_SYSTEM_WRITE, temporary, *_paths(settings, own.write_paths))
    closed = Confinement(
        wanted.uid, wanted.gid, wanted.groups, landlock=True, read=read, write=write, except_for=_secret_files(settings)
    )
    return closed, {**variables, "TMPDIR": temporary}


def _check_python(account: Account, release: Release) -> None:
    """Check that a user can start the Python of a release's environment.

    Raises:
        CannotConfine: it cannot.
    """
    if release.python is None:
        return  # its worker is forked from a process that has started
    python = release.python.resolve()
    if python.exists() and not all(_may(account, path, 1) for path in (python, *python.parents)):
        hint = "install a Python that every user may run, such as the system's, and run the host with it"
        raise CannotConfine(f"its user {account.name!r} may not run {python}: {hint}")


def _check_closed(account: Account, settings: Settings) -> None:
    """Check that a user cannot read the files that no worker may open.

    Raises:
        CannotConfine: it can.
    """
    for name in _secret_files(settings):
        file = Path(name)
        if file.is_file() and _may(account, file, 4) and all(_may(account, folder, 1) for folder in file.parents):
            raise CannotConfine(f"its user {account.name!r} may read {file}: run chmod o-rwx on it")


def _may(account: Account, path: Path, right: int) -> bool:
    """Whether a user has a right by the mode of a file: 4 to read it, 1 to pass a folder."""
    found = path.stat()
    if found.st_uid == account.uid:
        right <<= 6
    elif found.st_gid in (account.gid, *account.groups):
        right <<= 3
    return bool(found.st_mode & right)


def _paths(settings: Settings, paths: tuple[Path, ...]) -> list[str]:
    return [str(settings.beside_file(path).absolute()) for path in paths]


def _certificates() -> list[str]:
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return [os.environ[name] for name in names if os.environ.get(name)]


def _of_python(python: Path | None) -> Iterator[str]:
    """Yield the folders of a Python environment; None: that of this process."""
    if python is None:
        yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
        yield from filter(None, sys.path)
        return
    environment = python.parent.parent
    yield str(environment)
    yield str(python.resolve().parent.parent)
    for file in environment.glob("lib/python*/site-packages/*.pth"):  # packages that are installed as links
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (line.strip() for line in lines if line.startswith("/"))


def _secret_files(settings: Settings) -> tuple[str, ...]:
    """Return what no worker may open, wherever it lies: settings, secrets that they name, keys, the data directory."""
    keys = settings.keys_file
    beside_keys = [] if keys is None else [keys, *(keys.with_name(f"{keys.name}.{end}") for end in _BESIDE_KEYS)]
    named = [
        settings.beside_file(Path(reference.removeprefix("file ")))
        for source in settings.provenance.values()
        for reference in source.reference.split(", ")
        if reference.startswith("file ")
    ]
    read = [file for file in (settings.path, Path(DOTENV_FILE)) if file is not None and file.exists()]
    # The others may be created while the host runs.
    return tuple(str(file.absolute()) for file in (*read, settings.data_dir, *beside_keys, *named))


_BESIDE_KEYS = ("token-secret", "lock")


def _temporary(agent_id: str, uid: int | None) -> Path:
    """Return the agent's folder for temporary files, in one of the host's user within that of the system."""
    common = Path(tempfile.gettempdir()) / f"voice-host-{os.geteuid()}"
    folder = common / agent_id
    try:
        common.mkdir(mode=0o711, exist_ok=True)
        found = common.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise CannotConfine(f"{common} belongs to somebody else, and workers need it for temporary files")
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, -1 if uid is None else uid, -1)
    except OSError as error:
        raise CannotConfine(f"there is no folder for its temporary files: {error.strerror}: {folder}") from error
    return folder


def _let_in(account: Account, release: Release, data_dir: Path) -> None:
    """Let a user read the environment of its release, and nothing else of the data directory.

    The folders on the way there become passable for others, but not readable, and what lies beside them is closed to
    others. The last one becomes readable for the user's group.
    """
    data_dir = data_dir.absolute()
    if release.environment is None or not release.environment.absolute().is_relative_to(data_dir):
        return
    folder = release.environment.absolute()
    try:
        os.chown(folder, -1, account.gid)
        folder.chmod(0o750)
        while folder != data_dir:
            for beside in folder.parent.iterdir():
                mode = beside.lstat().st_mode
                if beside != folder and mode & stat.S_IROTH and not stat.S_ISLNK(mode):
                    beside.chmod(stat.S_IMODE(mode) & ~0o077)
            folder = folder.parent
            folder.chmod(0o711)
    except OSError as error:
        raise CannotConfine(f"its user cannot be let into {folder}: {error.strerror}") from error
