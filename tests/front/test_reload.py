"""Reading the settings of a running host again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voice_host.fleet.report import AgentReport
from voice_host.front.reload import LiveSettings, ReloadFailed
from voice_host.plugins import Phase
from voice_host.settings import Settings, load_settings
from voice_host.supervisor.release_fleet import ReleaseFailed


class Fleet:
    """Remembers what it was given. An agent with the setting `broken` does not start."""

    def __init__(self) -> None:
        self.given: list[Settings] = []

    async def reload(self, settings: Settings) -> None:
        self.given.append(settings)
        for agent_id, own in settings.agent.items():
            if own.settings.get("broken"):
                error = {"phase": Phase.STARTED, "error": "on_startup raised OSError", "hint": "start its database"}
                raise ReleaseFailed(AgentReport(id=agent_id, status="broken", **error))


class Host:
    """The settings in a file, and what reloads them."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self.write(text)
        self.fleet = Fleet()
        self.live = LiveSettings(self._load(), self._load, self.fleet)  # type: ignore[arg-type]

    def _load(self) -> Settings:
        return load_settings(self.file, options={"server.port": 9000})

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    @property
    def last(self) -> Settings:
        return self.fleet.given[-1]


TEXT = "[server]\nhost = '127.0.0.1'\n[agent.night-desk]\nmax_calls = 1\nsettings.who = 'ada'\n"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    return Host(tmp_path / "voice-host.toml", TEXT)


async def test_changed_settings_of_an_agent_take_effect(host: Host) -> None:
    host.write(TEXT.replace("ada", "grace").replace("max_calls = 1", "max_calls = 2"))
    assert (await host.live.reload()).model_dump() == {
        "changed": ("night-desk",),
        "taken_over": (),
        "needs_restart": (),
    }
    assert host.live.current is host.last
    assert host.last.for_agent("night-desk").settings["who"] == "grace"
    assert host.last.for_agent("night-desk").max_calls == 2
    assert host.last.server.port == 9000, "options of the command line still apply"


async def test_what_needs_a_restart_is_named_and_stays(host: Host) -> None:
    host.write(
        TEXT.replace("127.0.0.1", "::1") + "[limits]\nmax_calls = 7\n[extension.crm]\nurl = 'x'\n[agents]\nallow = []\n"
    )
    reloaded = await host.live.reload()
    assert reloaded.needs_restart == ("server.host", "agents.allow", "extension", "limits.max_calls")
    assert reloaded.changed == ()
    assert host.last.server.host == "127.0.0.1"
    assert host.last.limits.max_calls == 500


async def test_telephone_numbers_take_effect_and_accounts_need_a_restart(host: Host) -> None:
    account = "[phone.twilio]\naccount_sid = 'AC" + "0" * 32 + "'\nauth_token = 'sekret-token'\n"
    host.write(TEXT + "[phone]\npublic_url = 'https://a.example'\n[phone.numbers]\n'+15550100' = 'desk'\n" + account)
    reloaded = await host.live.reload()
    assert reloaded.needs_restart == ("phone.public_url", "phone.twilio")
    assert reloaded.taken_over == ("phone.numbers",)
    assert host.last.phone.numbers["+15550100"].agent == "desk"
    assert (host.last.phone.public_url, host.last.phone.twilio) == (None, None)


async def test_keys_and_variables_that_take_effect_are_named(host: Host) -> None:
    host.write(TEXT + "[sessions]\nmax_parked = 7\n[phone.sentences]\nlanguage = 'de-DE'\n")
    (host.file.parent / ".env").write_text("VOICE_HOST_LLM_API_KEY=sekret\n", encoding="utf-8")
    reloaded = await host.live.reload()
    assert reloaded.model_dump() == {
        "changed": (),
        "taken_over": ("sessions.max_parked", "phone.sentences", "VOICE_HOST_LLM_API_KEY"),
        "needs_restart": (),
    }
    again = await host.live.reload()
    assert not any(again.model_dump().values())


async def test_keys_of_an_agent_that_need_a_restart_are_named(host: Host) -> None:
    host.write(TEXT + "[agent.x]\nenvironment = 'env'\n[agent.day-desk]\nenabled = false\n")
    assert (await host.live.reload()).needs_restart == ("agent.day-desk.enabled", "agent.x.environment")


async def test_invalid_settings_change_nothing(host: Host) -> None:
    before = host.live.current
    host.write("[agent.night-desk]\nmax_calls = 0\nwrong = 1\n")
    with pytest.raises(ReloadFailed) as raised:
        await host.live.reload()
    assert "max_calls: must be" in raised.value.message
    assert "[agent.night-desk] wrong" in raised.value.message
    assert raised.value.hint == "correct them and reload again; the host continues as before"
    assert host.fleet.given == []
    assert host.live.current is before


async def test_an_agent_that_does_not_start_is_named(host: Host) -> None:
    host.write(TEXT + "settings.broken = true\n")
    with pytest.raises(
        ReloadFailed, match=r"on_startup raised OSError.*it continues with its former settings"
    ) as raised:
        await host.live.reload()
    assert raised.value.hint == "start its database"


async def test_what_takes_effect_although_an_agent_does_not_start_is_named(host: Host) -> None:
    host.write("[sessions]\nresume_grace_s = 31\n" + TEXT + "settings.broken = true\n")
    with pytest.raises(ReloadFailed, match=r"its former settings; changed, and in effect: sessions\.resume_grace_s$"):
        await host.live.reload()


async def test_secrets_and_variables_of_files_are_read_again(host: Host, tmp_path: Path) -> None:
    secret, dotenv = tmp_path / "secret", tmp_path / ".env"
    secret.write_text("first")
    dotenv.write_text("OF_ENV=one\nSOME_PROVIDER_KEY=a\nGONE_KEY=b\n")
    text = TEXT + "settings.token = { file = 'secret' }\nsettings.other = { env = 'OF_ENV' }\n"
    host.write(text)
    await host.live.reload()
    assert host.last.for_agent("night-desk").settings["token"] == "first"
    assert os.environ["GONE_KEY"] == "b"
    secret.write_text("second")
    dotenv.write_text("OF_ENV=two\nSOME_PROVIDER_KEY=c\n")
    assert (await host.live.reload()).changed == ("night-desk",)
    assert host.last.for_agent("night-desk").settings["token"] == "second"
    assert host.last.for_agent("night-desk").settings["other"] == "two"
    assert os.environ["SOME_PROVIDER_KEY"] == "c"
    assert "GONE_KEY" not in os.environ
    dotenv.write_text("")
    host.write(TEXT)
    await host.live.reload()
    assert "SOME_PROVIDER_KEY" not in os.environ


async def test_a_host_with_all_agents_in_its_own_process_says_that_it_needs_a_restart(host: Host) -> None:
    with pytest.raises(ReloadFailed, match="new settings take effect with a restart"):
        await LiveSettings(host.live.current).reload()
