"""`/agents/{id}@{alias or version}/session`: the addresses of releases, and who may call them."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.calls.client import calling
from tests.front.guarded import guarded, refused, token_of
from tests.front.test_authorization import TOML, bearer, key_for
from voice_host.auth.addresses import agent_address, split_address
from voice_host.fleet.availability import targets_of
from voice_host.fleet.report import AgentReport, ReleaseReport


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("night-desk", ("night-desk", None)),
        ("night-desk@production", ("night-desk", None)),
        ("night-desk@staging", ("night-desk", "staging")),
        ("night-desk@1.4.0-2", ("night-desk", "1.4.0-2")),
        ("night-desk@", ("night-desk", "")),
        ("night-desk@a@b", ("night-desk", "a@b")),
    ],
)
def test_an_address_is_an_agent_and_what_is_called_of_it(address: str, parts: tuple[str, str | None]) -> None:
    assert split_address(address) == parts
    assert split_address(agent_address(*parts)) == parts


def test_the_targets_of_an_agent_are_its_aliases_and_running_releases() -> None:
    releases = (
        ReleaseReport(name="1.3", version="1.3", traffic=100, status="ready"),
        ReleaseReport(name="1.4", version="1.4", aliases=("staging", "canary"), status="ready"),
        ReleaseReport(name="1.2", version="1.2", status="retiring"),
    )
    assert targets_of(AgentReport(id="a", status="ready", releases=releases)) == {"1.3", "1.4", "staging", "canary"}
    assert targets_of(AgentReport(id="a", status="ready", version="1.2.3")) == {"1.2.3"}


async def test_a_release_is_called_by_its_name_and_an_unknown_alias_is_refused_in_words(tmp_path: Path) -> None:
    async with guarded(tmp_path, "") as r:
        for address in ("nosy@1.2.3", "nosy@production"):
            async with calling(r.session(address)) as caller:
                assert (await caller.expect("ready"))["agent"] == "nosy"
        for target in ("staging", "9.9", "", "a@b"):
            async with calling(r.session(f"nosy@{target}")) as caller:
                assert await caller.ended() == (4404, f"nosy has no release or alias {target!r}")


async def test_a_key_for_an_agent_is_for_all_its_releases(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", agents=("nosy",))
    async with guarded(tmp_path, TOML) as r:
        async with calling(r.session("nosy@1.2.3"), additional_headers=bearer(key)) as caller:
            await caller.expect("ready")
        async with calling(r.session("deaf@1.2.3"), additional_headers=bearer(key)) as caller:
            assert await caller.ended() == (4401, "this key or token is for another agent")


async def test_a_call_token_is_for_the_address_that_it_was_made_for(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path, TOML) as r:
        production, release = await token_of(r, key), await token_of(r, key, "nosy@1.2.3")
        for token, address in ((production, "nosy"), (production, "nosy@production"), (release, "nosy@1.2.3")):
            async with calling(r.session(address), additional_headers=bearer(token)) as caller:
                await caller.expect("ready")
        for token, address in ((production, "nosy@1.2.3"), (release, "nosy"), (production, "nosy@staging")):
            reason = await refused(r.session(address), additional_headers=bearer(token))
            assert reason == "the call token is for another address of this agent"


async def test_no_token_is_made_for_an_alias_that_does_not_exist(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path, TOML) as r, httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
        answer = await http.post("/agents/nosy@staging/tokens", headers=bearer(key))
        assert (answer.status_code, answer.json()["detail"]) == (404, "nosy has no release or alias 'staging'")
        made = await http.post("/agents/nosy@1.2.3/tokens", headers=bearer(key))
        assert made.json()["agent"] == "nosy@1.2.3"
