"""What the platform says about one agent: switched off, what it may ask for, and its name in metrics."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.calls.client import calling
from tests.front.hosting import installed, running
from tests.sample_plugins import HELLO
from voice_host.fleet.local import build
from voice_host.fleet.service import RequiredAgentBroken
from voice_host.front.routes import listed
from voice_host.plugins import BrokenAgent, load_agents
from voice_host.settings import load_settings

ASKS = """
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        return config.model_copy(update=dict(session.metadata))

@hookimpl
def agent_config(settings):
    return AgentConfig(**settings)

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""

NEVER = "raise RuntimeError('a disabled agent was imported')"


async def test_a_disabled_agent_is_listed_neither_imported_nor_called_and_not_fatal(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("off", NEVER)
        plugins.install("on", HELLO)
        async with running(tmp_path, "[agent.off]\nenabled = false\n", allow="off,on", strict=True) as r:
            statuses = {agent.id: agent.status for agent in r.reports}
            assert statuses == {"off": "disabled", "on": "ready"}
            async with calling(r.session("off")) as caller:
                assert await caller.ended() == (4503, "the agent is switched off")
            async with calling(r.session("on")) as caller:
                await caller.expect("ready")


async def test_an_agent_that_is_required_must_not_be_switched_off(tmp_path: Path) -> None:
    toml = "[agents]\nrequired = ['off']\n[agent.off]\nenabled = false\n"
    with installed(tmp_path) as plugins:
        plugins.install("off", NEVER)
        with pytest.raises(RequiredAgentBroken, match=r"disabled by .*\[agent\.off\] enabled"):
            async with running(tmp_path, toml, allow="off"):
                pytest.fail("it started")


@pytest.mark.parametrize(
    ("asks", "allowed", "words"),
    [
        ("model = 'openai:gpt-5'", "allowed_models = ['openai:gpt-4.1-*', 'demo']", "openai:gpt-4.1-*, demo"),
        ("model = 'demo'", "allowed_models = []", "none"),
        (
            "fallback_models = ['openai:gpt-5']",
            "allowed_models = ['openai:gpt-4.1-*', 'demo']",
            "openai:gpt-4.1-*, demo",
        ),
        ("text_to_speech = 'assemblyai'", "allowed_providers = ['orpheus']", "orpheus"),
        ("text_to_speech_fallback = 'assemblyai'", "allowed_providers = ['orpheus']", "orpheus"),
        ("speech_to_text = 'assemblyai'", "allowed_providers = ['embedded']", "embedded"),
    ],
)
async def test_an_agent_that_asks_for_more_than_it_may_is_broken(
    tmp_path: Path, asks: str, allowed: str, words: str
) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("greedy", ASKS)
        common = f"[agents]\n{allowed}\n[agent.greedy.settings]\n{asks}\n"
        own = f"[agents]\n{allowed}\n[agent.greedy]\nallowed_models = ['*']\nallowed_providers = ['*']\n"
        async with running(tmp_path, common, allow="greedy", model=None) as r:
            broken = r.agents.report.agents["greedy"]
            assert broken.error is not None
            assert asks.rpartition(" ")[2].strip("[]") in broken.error
            assert broken.error.endswith(f"are: {words}")
            assert "[agent.greedy]" in (broken.hint or "")
        asks_demo = asks if "model" not in asks else "model = 'demo'"
        toml = f"{own}[agent.greedy.settings]\n{asks_demo}\n"
        async with running(tmp_path, toml, allow="greedy", model=None) as r:
            assert r.reports[0].status == "ready", r.reports


def test_the_settings_of_an_agent_that_is_not_installed_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "voice-host.toml"
    file.write_text("[agents]\nallow = ['sales-desk']\n[agent.sales-dsk]\nmodel = 'demo'\n", encoding="utf-8")
    with installed(tmp_path) as plugins:
        plugins.install("sales-desk")
        build(load_settings(file, {}))
    [warning] = [record for record in caplog.records if record.message == "agent_not_installed"]
    assert vars(warning)["where"] == f"{file}: [agent.sales-dsk] model"
    assert vars(warning)["did_you_mean"] == "sales-desk"


async def test_what_should_be_put_right_in_an_agent_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("vague", requires=())
        async with running(tmp_path, allow="vague"):
            pass
    [warning] = [record for record in caplog.records if "declares no range" in str(vars(record))]
    assert (warning.message, vars(warning)["agent_id"]) == ("agent_warning", "vague")


async def test_unread_settings_and_unknown_voices_are_logged_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
    from voice_host_sdk import AgentConfig, TTSConfig, hookimpl

    @hookimpl
    def agent_config(settings):
        return AgentConfig(title=settings.get("title", "Talks"), tts_config=TTSConfig(voice="leo2"))
    """
    with installed(tmp_path) as plugins:
        plugins.install("talks", code)
        async with running(tmp_path, '[agent.talks.settings]\ntitel = "x"\n', allow="talks"):
            pass
    warnings = [vars(record)["warning"] for record in caplog.records if record.message == "agent_warning"]
    assert warnings == [
        "orpheus has no voice 'leo2' and uses another one; did you mean 'leo'?",
        f"{tmp_path / 'voice-host.toml'}: [agent.talks.settings] titel: the agent has not read it so far; "
        "did you mean 'title'?",
    ]


async def test_what_the_platform_chooses_itself_needs_no_leave(tmp_path: Path) -> None:
    toml = """
        [agents]
        allowed_models = []
        [agent.asks]
        model = "demo"
        [agent.asks.settings]
        model = "openai:gpt-5"
    """
    with installed(tmp_path) as plugins:
        plugins.install("asks", ASKS)
        async with running(tmp_path, toml, allow="asks", model=None) as r:
            assert listed(r.reports[0])["providers"]["model"] == "demo"


async def test_the_platform_chooses_an_agents_services(tmp_path: Path) -> None:
    toml = """
        providers.text_to_speech = "orpheus"
        agents.allowed_providers = []
        [agent.one]
        text_to_speech = "assemblyai"
        [agent.one.settings]
        text_to_speech = "embedded"
        [agent.wrong]
        speech_to_text = "gramophone"
    """
    with installed(tmp_path) as plugins:
        for agent in ("one", "two", "wrong"):
            plugins.install(agent, ASKS)
        async with running(tmp_path, toml, allow="one,two,wrong") as r:
            one, two, wrong = map(listed, r.reports)
            assert one["providers"]["tts"] == "assemblyai"
            assert two["providers"]["tts"] == "orpheus"
            assert wrong["status"] == "broken"
            assert "[agent.wrong] speech_to_text" in wrong["error"]


async def test_a_caller_for_whom_the_agent_asks_for_more_is_refused_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    toml = (
        "[agents]\nallowed_models = ['demo']\nallowed_providers = ['orpheus']\n[agent.asks.settings]\nmodel = 'demo'\n"
    )
    with installed(tmp_path) as plugins:
        plugins.install("asks", ASKS)
        async with running(tmp_path, toml, allow="asks", model=None) as r:
            for change in ("model=openai:gpt-5", "text_to_speech=assemblyai"):
                async with calling(f"{r.session('asks')}?{change}") as caller:
                    assert (await caller.ended())[0] == 4500
            assert "allowed_models are: demo" in caplog.text
            assert "allowed_providers are: orpheus" in caplog.text
            async with calling(f"{r.session('asks')}?title=Other") as caller:
                await caller.expect("ready")


async def test_an_agents_own_longest_call_counts_for_it_alone(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("brief")
        plugins.install("patient")
        async with (
            running(tmp_path, "[agent.brief]\nmax_call_s = 0.2", allow="brief,patient") as r,
            calling(r.session("patient")) as other,
        ):
            async with calling(r.session("brief")) as caller:
                assert await caller.ended() == (1000, "the call reached its maximum length")
            await other.send("ping")
            await other.expect("pong")


async def test_agents_may_have_another_name_in_metrics_and_share_it(tmp_path: Path) -> None:
    toml = "[agent.one]\nlabel = 'customer-7'\n[agent.two]\nlabel = 'customer-7'\n"
    with installed(tmp_path) as plugins:
        for agent in ("one", "two", "three"):
            plugins.install(agent, HELLO)
        async with running(tmp_path, toml, allow="one,two,three") as r:
            for agent in ("one", "two", "two"):
                async with calling(r.session(agent)) as caller:
                    await caller.expect("ready")
            async with calling(r.session("three")) as caller:
                await caller.expect("ready")
            async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
                text = (await http.get("/metrics")).text
    assert 'voice_host_calls_total{agent="customer-7"} ' in text
    assert 'voice_host_calls_total{agent="three"} ' in text
    assert '{agent="two"' not in text
    calls = [line for line in text.splitlines() if line.startswith('voice_host_calls_total{agent="customer-7"}')]
    assert len(calls) == 1
    assert float(calls[0].rpartition(" ")[2]) >= 3


async def test_an_agent_may_be_called_from_sites_of_its_own(tmp_path: Path) -> None:
    toml = """
        [server]
        allowed_origins = ["https://all.example"]
        [agent.own]
        allowed_origins = ["https://own.example"]
        [agent.none]
        allowed_origins = []
    """
    with installed(tmp_path) as plugins:
        for agent in ("own", "none", "rest"):
            plugins.install(agent, HELLO)
        async with running(tmp_path, toml, allow="own,none,rest") as r:
            may = {
                (agent, site)
                for agent in ("own", "none", "rest")
                for site in ("https://all.example", "https://own.example", f"http://{r.address}")
                if await _may_call(r.session(agent), site)
            }
            here = f"http://{r.address}"
    assert may == {
        ("own", "https://own.example"),
        ("rest", "https://all.example"),
        *((agent, here) for agent in ("own", "none", "rest")),
    }


async def _may_call(url: str, origin: str) -> bool:
    async with calling(url, origin=origin) as caller:
        await caller.until(lambda _: bool(caller.all("ready")) or caller.closed is not None)
        assert caller.closed is None or caller.closed[0] == 4403
        return caller.closed is None


async def test_each_agent_is_given_its_own_table_and_no_other(tmp_path: Path) -> None:
    toml = "[agent.one.settings]\ntitle = 'One'\n[agent.two.settings]\ntitle = 'Two'\ngreeting = { env = 'GREETING' }\n"
    with installed(tmp_path) as plugins:
        for agent in ("one", "two", "three"):
            plugins.install(agent, ASKS)
        (tmp_path / "voice-host.toml").write_text(toml, encoding="utf-8")
        settings = load_settings(tmp_path / "voice-host.toml", {"GREETING": "Hi"}, {"agents.allow": "one,two,three"})
        found = {}
        for agent in load_agents(settings):
            assert not isinstance(agent, BrokenAgent)
            found[agent.id] = (agent.config.title, agent.config.greeting)
    assert found == {"one": ("One", ""), "two": ("Two", "Hi"), "three": ("Voice agent", "")}
