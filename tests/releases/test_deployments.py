"""Which releases run and get calls, after deployments and other changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.releases.fakes import Host, release
from tests.test_logs import written_log
from voice_host.observability.logs import configure_logging
from voice_host.releases.agent_releases import KEPT_RELEASES
from voice_host.releases.deployments import Busy, ChangeRefused, Unknown
from voice_host.releases.package import PackageRequirement
from voice_host.releases.steps import DeployRefused, Step
from voice_host.supervisor.release_fleet import ReleaseFailed

P = "production"


def package(version: str, agent_id: str = "night-desk") -> PackageRequirement:
    return PackageRequirement(f"{agent_id}=={version}")


@pytest.fixture
async def host(tmp_path: Path) -> Host:
    """A host with a night-desk 1.0 installed beside it."""
    host = Host(tmp_path)
    await host.deployments.start({"night-desk": release("1.0", deployed=False)})
    return host


async def restarted(tmp_path: Path, installed: str | None = "1.0") -> Host:
    host = Host(tmp_path)
    found = {"night-desk": release(installed, deployed=False)} if installed else {}
    await host.deployments.start(found)
    return host


async def test_an_installed_agent_is_a_release(host: Host) -> None:
    assert host.groups() == {("1.0", P)}
    assert host.traffic() == {"1.0": 100}
    [listed] = host.deployments.listing({})
    assert (listed.name, listed.traffic, listed.deployed) == ("1.0", 100, None)


async def test_a_deployed_release_takes_all_calls_and_the_one_before_leaves(host: Host) -> None:
    host.fleet.calls_end.clear()
    steps: list[Step] = []
    made = await host.deployments.deploy(package("1.1"), progress=steps.append)
    assert made.name == "1.1"
    assert host.traffic() == {"1.1": 100}
    assert host.groups() == {("1.1", P)}
    await asyncio.sleep(0)
    assert host.fleet.retiring == [("night-desk", "1.0", P)], "it finishes its calls, and nobody waits for that"
    assert [(each.name, each.state) for each in steps] == [
        ("build", "started"),
        ("build", "done"),
        ("start", "started"),
        ("start", "done"),
        ("route", "started"),
        ("route", "done"),
    ]
    assert steps[-1].detail == "production: 1.1; 1.0 finishes its calls and leaves"


@pytest.mark.parametrize("why", ["check", "start", "store"])
async def test_a_release_that_fails_changes_nothing(host: Host, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(agent_id: str, record: object) -> None:
        raise OSError(28, "No space left on device")

    if why == "check":
        host.environments.broken = True
    elif why == "start":
        host.fleet.broken.add("1.1")
    else:
        monkeypatch.setattr(host.store, "write", full)
    with pytest.raises(DeployRefused) as raised:
        await host.deployments.deploy(package("1.1"))
    assert host.traffic() == {"1.0": 100}
    assert host.groups() == {("1.0", P)}
    assert not host.fleet.retiring
    assert not host.folders
    assert [each.name for each in host.deployments.listing({})] == ["1.0"]
    assert {
        "check": "it was not imported: No module named 'crm'",
        "start": "agent night-desk is broken, it was not started: on_startup raised OSError",
        "store": "the routing cannot be stored: No space left on device",
    }[why] == raised.value.message


async def test_a_failed_deployment_of_a_new_agent_leaves_no_agent(host: Host) -> None:
    host.fleet.broken.add("2.0")
    for agent_id in (None, "day-desk"):
        with pytest.raises(DeployRefused):
            await host.deployments.deploy(package("2.0", "day-desk"), agent_id)
        with pytest.raises(Unknown, match="there is no agent 'day-desk'"):
            host.deployments.listing({}, "day-desk")


async def test_releases_of_one_version_are_distinguished(host: Host) -> None:
    assert (await host.deployments.deploy(package("1.0"))).name == "1.0-2"
    assert (await host.deployments.deploy(package("1.0"))).name == "1.0-3"


async def test_a_share_of_the_calls_is_taken_from_the_others(host: Host) -> None:
    await host.deployments.deploy(package("1.1"), percent=10)
    assert host.traffic() == {"1.0": 90, "1.1": 10}
    assert host.groups() == {("1.0", P), ("1.1", P)}
    await host.deployments.set_traffic("night-desk", {"1.0": 50, "1.1": 50})
    await host.deployments.deploy(package("1.2"), percent=20)
    assert host.traffic() == {"1.0": 40, "1.1": 40, "1.2": 20}


async def test_a_rollback_restores_the_traffic_before_and_the_one_before_that(host: Host) -> None:
    await host.deployments.deploy(package("1.1"), percent=10)
    await host.deployments.promote("night-desk", "1.1")
    assert host.groups() == {("1.1", P)}
    await host.deployments.rollback("night-desk")
    assert host.traffic() == {"1.0": 90, "1.1": 10}
    await host.deployments.rollback("night-desk")
    assert host.traffic() == {"1.0": 100}
    assert host.groups() == {("1.0", P)}
    with pytest.raises(ChangeRefused, match="the traffic of night-desk was not changed"):
        await host.deployments.rollback("night-desk")


async def test_a_release_that_still_finishes_its_calls_can_be_rolled_back_to(host: Host) -> None:
    host.fleet.calls_end.clear()
    await host.deployments.deploy(package("1.1"))
    await asyncio.sleep(0)
    await host.deployments.rollback("night-desk")
    assert host.groups() == {("1.0", P)}
    await asyncio.sleep(0)
    assert host.fleet.retiring == [("night-desk", "1.0", P), ("night-desk", "1.1", P)]


async def test_a_rollback_to_a_release_that_does_not_start_changes_nothing(host: Host) -> None:
    await host.deployments.deploy(package("1.1"))
    host.fleet.broken.add("1.0")
    with pytest.raises(DeployRefused):
        await host.deployments.rollback("night-desk")
    assert host.traffic() == {"1.1": 100}
    host.fleet.broken.clear()
    await host.deployments.rollback("night-desk")
    assert host.traffic() == {"1.0": 100}


async def test_an_alias_has_workers_of_its_own_and_leaves_production_as_it_is(host: Host) -> None:
    await host.deployments.deploy(package("1.1"), alias="staging")
    assert host.traffic() == {"1.0": 100}
    assert host.groups() == {("1.0", P), ("1.1", "staging")}
    await host.deployments.deploy(package("1.2"), alias="staging")
    assert host.groups() == {("1.0", P), ("1.2", "staging")}
    await host.deployments.promote("night-desk", "staging")
    assert host.traffic() == {"1.2": 100}
    assert host.groups() == {("1.2", P), ("1.2", "staging")}, "with the settings of each"
    await host.deployments.rollback("night-desk")
    assert host.groups() == {("1.0", P), ("1.2", "staging")}, "aliases stay"


async def test_an_alias_can_be_moved_and_removed(host: Host) -> None:
    await host.deployments.deploy(package("1.1"), alias="staging")
    await host.deployments.set_alias("night-desk", "canary", "staging")
    await host.deployments.set_alias("night-desk", "staging", "1.0")
    assert host.groups() == {("1.0", P), ("1.0", "staging"), ("1.1", "canary")}
    await host.deployments.remove_alias("night-desk", "staging")
    assert host.groups() == {("1.0", P), ("1.1", "canary")}
    with pytest.raises(Unknown, match="night-desk has no alias 'staging'"):
        await host.deployments.remove_alias("night-desk", "staging")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: d.set_traffic("night-desk", {"1.0": 10}), ChangeRefused, "the shares add up to 10 %, not 100 %"),
        (lambda d: d.set_traffic("night-desk", {}), ChangeRefused, "the shares add up to 0 %, not 100 %"),
        (lambda d: d.set_traffic("night-desk", {"1.0": 101, "1.1": -1}), ChangeRefused, "percent from 0 to 100"),
        (lambda d: d.set_traffic("night-desk", {"1.4": 100}), Unknown, "night-desk has no release or alias '1.4'"),
        (lambda d: d.promote("night-desk", "staging"), Unknown, "night-desk has no release or alias 'staging'"),
        (lambda d: d.promote("night-disk", "1.0"), Unknown, "there is no agent 'night-disk'"),
        (lambda d: d.deploy(package("1.2"), alias="staging", percent=5), ChangeRefused, "only production's calls are"),
        (lambda d: d.deploy(package("1.2", "new"), percent=5), ChangeRefused, "there is no other release"),
        (lambda d: d.deploy(package("1.2", "forbidden")), ChangeRefused, "do not let the agent 'forbidden' run"),
        (lambda d: d.remove("night-desk", "1.0"), Busy, "is installed beside the host, not deployed"),
        (lambda d: d.remove("night-desk", "1.1"), Busy, "night-desk 1.1 is in production, with 100 % of the calls"),
    ],
)
async def test_what_is_impossible_is_refused_and_changes_nothing(
    host: Host, change: Callable[[Any], Coroutine[Any, Any, Any]], error: type[Exception], message: str
) -> None:
    await host.deployments.deploy(package("1.1"))
    before = host.groups(), host.traffic(), host.folders
    with pytest.raises(error, match=message):
        await change(host.deployments)
    assert (host.groups(), host.traffic(), host.folders) == before
    await host.deployments.rollback("night-desk")


async def test_a_release_in_use_is_not_removed(host: Host) -> None:
    await host.deployments.deploy(package("1.1"), alias="staging")
    with pytest.raises(Busy, match=r"1\.1 is called by the alias staging"):
        await host.deployments.remove("night-desk", "1.1")
    host.fleet.calls_end.clear()
    await host.deployments.remove_alias("night-desk", "staging")
    with pytest.raises(Busy, match=r"1\.1 finishes its last calls"):
        await host.deployments.remove("night-desk", "1.1")
    host.fleet.calls_end.set()
    await settled()
    await host.deployments.remove("night-desk", "1.1")
    assert not host.folders
    assert [each.name for each in host.deployments.listing({})] == ["1.0"]


async def test_a_removed_release_is_not_rolled_back_to(host: Host) -> None:
    for version in ("1.1", "1.2", "1.3"):
        await host.deployments.deploy(package(version))
    await settled()
    await host.deployments.remove("night-desk", "1.2")
    await host.deployments.rollback("night-desk")
    assert host.traffic() == {"1.1": 100}


async def test_old_releases_are_removed_but_not_those_of_the_next_rollbacks(host: Host) -> None:
    for minor in range(1, KEPT_RELEASES + 4):
        await host.deployments.deploy(package(f"1.{minor}"))
        await settled()
    assert host.folders == {f"1.{minor}" for minor in range(3, KEPT_RELEASES + 4)}
    for _ in range(KEPT_RELEASES):
        await host.deployments.rollback("night-desk")
    assert host.traffic() == {"1.3": 100}


async def test_one_change_of_an_agent_at_a_time(host: Host) -> None:
    host.environments.may_build.clear()
    deploying = host.deployments.begin(package("1.1"), "night-desk")
    await host.environments.building.wait()
    with pytest.raises(Busy, match=r"night-desk cannot be changed now: night-desk==1\.1 is being deployed"):
        await host.deployments.deploy(package("1.2"), "night-desk")
    with pytest.raises(Busy):
        await host.deployments.rollback("night-desk")
    other = host.deployments.begin(package("2.0", "day-desk"), "day-desk")
    host.environments.may_build.set()
    await asyncio.gather(deploying, other)
    assert host.traffic("day-desk") == {"2.0": 100}


async def test_two_deployments_of_an_agent_that_only_their_packages_name(host: Host) -> None:
    host.environments.may_build.clear()
    first, second = host.deployments.begin(package("1.1")), host.deployments.begin(package("1.2"))
    host.fleet.may_launch.clear()
    host.environments.may_build.set()
    await host.fleet.launching.wait()
    await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
    host.fleet.may_launch.set()
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Busy", "Release"]
    assert len(host.folders) == 1


@pytest.mark.parametrize("moment", ["build", "launch"])
async def test_a_cancelled_deployment_is_undone(host: Host, moment: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    waits, begun = {
        "build": (host.environments.may_build, host.environments.building),
        "launch": (host.fleet.may_launch, host.fleet.launching),
    }[moment]
    waits.clear()
    begun.clear()
    deploying = host.deployments.begin(package("1.1"))
    await begun.wait()
    deploying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    assert host.groups() == {("1.0", P)}
    assert not host.folders
    assert "deployment_cancelled" in written_log(capsys)
    waits.set()
    await host.deployments.deploy(package("1.1"))
    assert host.traffic() == {"1.1": 100}


async def test_the_log_says_why_a_deployment_failed(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    host.environments.broken = True
    with pytest.raises(DeployRefused):
        await host.deployments.begin(package("1.1"))
    [line] = map(json.loads, written_log(capsys).splitlines())
    assert (line["event"], line["package"]) == ("deployment_failed", "night-desk==1.1")
    assert line["error"] == "it was not imported: No module named 'crm'"


async def test_a_deployment_cancelled_while_its_routing_is_stored_takes_effect(host: Host) -> None:
    loop = asyncio.get_running_loop()
    write = host.store.write

    def cancelling(agent_id: str, record: Any) -> None:
        loop.call_soon_threadsafe(deploying.cancel)
        write(agent_id, record)

    host.store.write = cancelling  # type: ignore[method-assign]
    deploying = host.deployments.begin(package("1.1"))
    with pytest.raises(asyncio.CancelledError):
        await deploying
    assert host.traffic() == {"1.1": 100}
    assert host.folders == {"1.1"}
    await host.deployments.rollback("night-desk")


# --- a restart of the host ---------------------------------------------------------------------------------------


async def test_releases_and_routing_survive_a_restart(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("1.1"), percent=10)
    await host.deployments.deploy(package("1.2"), alias="staging")
    again = await restarted(tmp_path)
    assert again.groups() == {("1.0", P), ("1.1", P), ("1.2", "staging")}
    assert again.traffic() == {"1.0": 90, "1.1": 10}
    await again.deployments.rollback("night-desk")
    assert again.traffic() == {"1.0": 100}


async def test_what_was_uploaded_and_not_deployed_is_gone_after_a_restart(host: Host, tmp_path: Path) -> None:
    left = host.deployments.uploads / "interrupted" / "a-1-py3-none-any.whl"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    assert not (await restarted(tmp_path)).deployments.uploads.exists()


async def test_an_installed_agent_that_was_replaced_does_not_come_back_with_a_restart(
    host: Host, tmp_path: Path
) -> None:
    await host.deployments.deploy(package("1.1"))
    again = await restarted(tmp_path)
    assert again.groups() == {("1.1", P)}
    await again.deployments.rollback("night-desk")
    assert again.groups() == {("1.0", P)}


async def test_another_version_beside_the_host_takes_the_place_of_the_one_before(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("1.1"), percent=10)
    again = await restarted(tmp_path, "1.1")
    assert again.traffic() == {"1.1-2": 90, "1.1": 10}
    await again.deployments.rollback("night-desk")
    assert again.traffic() == {"1.1-2": 100}


async def test_what_is_not_installed_any_more_leaves_its_calls_to_the_others(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("1.1"), percent=10)
    again = await restarted(tmp_path, None)
    assert again.traffic() == {"1.1": 100}


async def test_a_release_that_is_broken_at_the_start_takes_nothing_down(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("1.1"), percent=10)
    await host.deployments.deploy(package("2.0", "day-desk"))
    again = Host(tmp_path)
    again.fleet.broken.update({"1.1", "2.0"})
    await again.deployments.start({"night-desk": release("1.0", deployed=False)})
    assert again.traffic() == {"1.0": 100}
    assert again.fleet.reported.keys() == {"day-desk"}
    assert again.fleet.reported["day-desk"].hint == "start its database"
    again.fleet.broken.clear()
    await again.deployments.promote("night-desk", "1.1")
    assert again.groups() == {("1.1", P)}
    await again.deployments.rollback("night-desk")
    assert again.traffic() == {"1.0": 90, "1.1": 10}


async def test_what_does_not_start_does_not_keep_the_agent_from_being_changed(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("1.1"), alias="staging")
    await host.deployments.deploy(package("1.2"), alias="canary")
    again = Host(tmp_path)
    again.fleet.broken.update({"1.0", "1.1"})
    await again.deployments.start({"night-desk": release("1.0", deployed=False)})
    assert again.groups() == {("1.2", "canary")}
    statuses = {each.name: each.status for each in again.deployments.listing({})}
    assert statuses == {"1.0": "broken", "1.1": "broken", "1.2": "stopped"}, "nobody reports 1.2 here"
    await again.deployments.deploy(package("1.3"))
    assert again.groups() == {("1.3", P), ("1.2", "canary")}
    assert again.fleet.routings["night-desk"].aliases == {"canary": "1.2"}
    with pytest.raises(DeployRefused):
        await again.deployments.set_alias("night-desk", "staging", "1.1")
    again.fleet.broken.clear()
    await again.deployments.start_again("night-desk")
    assert again.groups() == {("1.3", P), ("1.2", "canary"), ("1.1", "staging")}


async def test_an_agent_of_which_nothing_starts_can_be_changed(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("1.1"), alias="staging")
    again = Host(tmp_path)
    again.fleet.broken.update({"1.0", "1.1"})
    await again.deployments.start({"night-desk": release("1.0", deployed=False)})
    await again.deployments.remove_alias("night-desk", "staging")
    await again.deployments.deploy(package("1.2"))
    assert again.groups() == {("1.2", P)}


async def test_what_did_not_start_with_the_host_can_be_tried_again(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("2.0", "day-desk"))
    again = Host(tmp_path)
    again.fleet.broken.add("2.0")
    await again.deployments.start({})
    with pytest.raises(ReleaseFailed, match="on_startup raised OSError"):
        await again.deployments.start_again("day-desk")
    with pytest.raises(ReleaseFailed, match="there is no agent 'night-disk'"):
        await again.deployments.start_again("night-disk")
    again.fleet.broken.clear()
    await again.deployments.start_again("day-desk")
    assert again.traffic("day-desk") == {"2.0": 100}


async def test_a_damaged_routing_is_kept_and_the_agent_not_changed(host: Host, tmp_path: Path) -> None:
    await host.deployments.deploy(package("1.1"))
    await host.deployments.deploy(package("2.0", "day-desk"))
    file = tmp_path / "releases/night-desk/routing.json"
    file.write_text('{"version_of_format": 1, "routing"')
    again = await restarted(tmp_path)
    assert again.groups("day-desk") == {("2.0", P)}
    assert not again.groups(), "it is unknown which release should answer"
    reported = again.fleet.reported["night-desk"]
    assert "routing.json cannot be used" in str(reported)
    assert (reported.distribution, reported.version) == ("night-desk", "1.1")
    for change in (again.deployments.promote("night-desk", "1.1"), again.deployments.deploy(package("1.2"))):
        with pytest.raises(ChangeRefused, match=r"routing\.json cannot be used: it is not JSON; restore it from"):
            await change
    assert file.read_text() == '{"version_of_format": 1, "routing"'
    assert again.folders == {"1.1", "2.0"}


async def settled() -> None:
    """Let releases leave whose calls are over."""
    for _ in range(5):
        await asyncio.sleep(0)
