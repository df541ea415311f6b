"""The surface of a running host: routes, refusals, and one broken agent beside a good one."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.calls.client import calling
from tests.front.hosting import COUNTING, installed, running
from tests.sample_plugins import HELLO
from voice_host.fleet.service import RequiredAgentBroken
from voice_host.front.routes import listed
from voice_host.observability.recent import Recent


def settings_for(folder: Path, agent_id: str = "counting") -> str:
    return f'[agent.{agent_id}.settings]\nfolder = "{folder}"\n'


async def test_a_broken_agent_is_listed_with_its_phase_while_the_others_serve(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING, distribution="count-on-it")
        plugins.install("sick", "raise RuntimeError('no database')")
        async with running(tmp_path, settings_for(tmp_path), allow="counting,sick") as r:
            async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
                good, sick = (await http.get("/agents")).json()
                ready = await http.get("/ready")
                assert (await http.get("/health")).json() == {"status": "ok"}
            assert good == {
                "id": "counting",
                "distribution": "count-on-it",
                "version": "1.2.3",
                "title": "Counting",
                "description": "Counts.",
                "examples": ["Are you open on Friday?"],
                "status": "ready",
                "providers": {"stt": "assemblyai", "tts": "orpheus", "model": "demo"},
                "calls": 0,
                "recent": Recent().model_dump(),
            }
            assert (sick["status"], sick["phase"]) == ("broken", "imported")
            assert "no database" in sick["error"]
            assert "traceback" not in sick, "for `voice-host dev` alone"
            assert (ready.status_code, ready.json()) == (
                200,
                {"status": "ready", "agents": 1, "broken": 1, "calls": 0},
            )
            async with calling(r.session("sick")) as caller:
                code, reason = await caller.ended()
                assert code == 4503
                assert "imported" in reason
            async with calling(r.session("counting")) as caller:
                await caller.expect("tts_done", reply=1)
                await caller.type("when do you open on friday")
                await caller.expect("chat", text="On Friday we open at nine.")
        assert (tmp_path / "log.txt").read_text().splitlines() == [
            "startup",
            "created",
            "destroyed goodbye",
            "shutdown",
        ]


async def test_refusals_have_a_code_and_a_reason_that_fits(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        async with running(tmp_path, settings_for(tmp_path), allow="counting") as r:
            async with calling(r.session("x" * 300)) as caller:
                code, reason = await caller.ended()
                assert code == 4404
                assert len(reason.encode()) <= 123
            async with calling(r.session("counting"), origin="https://evil.example") as caller:
                assert (await caller.ended())[0] == 4403
            async with calling(r.session("counting"), origin=f"http://{r.address}") as caller:
                await caller.expect("ready")


async def test_a_proxy_may_name_the_default_port_to_the_host(tmp_path: Path) -> None:
    """25-14. The page at `https://localhost` is the host's own, though the proxy passes `localhost:443` on."""
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        async with running(tmp_path, settings_for(tmp_path), allow="counting") as r:
            address, port = r.address.split(":")
            url = r.session("counting").replace(r.address, "localhost:443")
            async with calling(url, origin="https://localhost", host=address, port=int(port)) as c:
                await c.expect("ready")


async def test_draining_tells_callers_and_takes_no_more(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        async with running(tmp_path, settings_for(tmp_path), allow="counting") as r:
            async with calling(r.session("counting")) as caller:
                await caller.expect("ready")
                await r.agents.drain()
                assert (await caller.expect("error"))["code"] == "draining"
                assert (await caller.ended())[0] == 4504
            async with calling(r.session("counting")) as caller:
                assert (await caller.ended())[0] == 4504
            async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
                assert (await http.get("/ready")).status_code == 503
        assert "destroyed shutdown" in (tmp_path / "log.txt").read_text()


async def test_a_named_model_without_a_key_breaks_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        toml = settings_for(tmp_path) + '[agent.counting]\nmodel = "openai:gpt-4.1-mini"\n'
        async with running(tmp_path, toml, allow="counting") as r:
            (agent,) = r.reports
            assert (agent.status, agent.phase) == ("broken", "configured")
            assert "OPENAI_API_KEY" in str(agent.error)


@pytest.mark.parametrize(("toml", "strict"), [('[agents]\nrequired = ["sick"]\n', False), ("", True)])
async def test_a_required_agent_that_is_broken_stops_the_host(tmp_path: Path, toml: str, strict: bool) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("sick", "raise SystemExit(1)")
        with pytest.raises(RequiredAgentBroken, match="sick"):
            async with running(tmp_path, toml, allow="sick", strict=strict):
                pytest.fail("it started")


async def test_metrics_count_calls_and_refusals(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("metered", COUNTING)
        async with running(tmp_path, settings_for(tmp_path, "metered"), allow="metered") as r:
            async with calling(r.session("metered")) as caller:
                await caller.expect("metrics")
            async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
                text = (await http.get("/metrics")).text
    assert 'voice_host_calls_total{agent="metered"} 1.0' in text
    assert 'voice_host_stage_seconds_count{agent="metered",kind="own",stage="first_audio_out"} 1.0' in text


async def test_the_talk_page_and_its_files_are_served(tmp_path: Path) -> None:
    async with running(tmp_path, allow="nobody") as r, httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        script = await http.get("/page/talk.js")
        assert script.headers["content-type"].startswith("text/javascript")
        for answer in (page, script):
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-cache"
        assert (await http.get("/agents")).json() == []


async def test_pages_of_any_site_may_load_the_client(tmp_path: Path) -> None:
    async with running(tmp_path, allow="nobody") as r, httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
        for path in ("/client.js", "/client/call.js", "/client/capture-worklet.js", "/client.d.ts", "/widget.js"):
            answer = await http.get(path, headers={"origin": "https://shop.example.com"})
            assert answer.status_code == 200
            kind = "text/plain" if path.endswith(".ts") else "text/javascript"
            assert answer.headers["content-type"].startswith(kind)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
            known = await http.get(path, headers={"if-none-match": answer.headers["etag"]})
            assert (known.status_code, known.content) == (304, b"")
            assert known.headers["access-control-allow-origin"] == "*"
        for path in ("/client/", "/client/nothing.js", "/client/../front/app.py", "/client/%2e%2e/client.js"):
            assert (await http.get(path)).status_code == 404


async def test_an_agent_chooses_its_voice_by_name_and_the_platform_has_the_last_word(tmp_path: Path) -> None:
    code = HELLO.replace('AgentConfig(title="Hello",', 'AgentConfig(title="Hello", text_to_speech="assemblyai",')
    with installed(tmp_path) as plugins:
        plugins.install("picky", code)
        plugins.install("plain", HELLO)
        plugins.install("wrong", code.replace('"assemblyai"', '"gramophone"'))
        async with running(tmp_path, allow="picky,plain,wrong") as r:
            picky, plain, wrong = r.reports
            assert picky.providers is not None
            assert picky.providers.tts == "assemblyai"
            assert plain.providers is not None
            assert plain.providers.tts == "orpheus"
            assert wrong.phase == "configured"
            assert "no text-to-speech service 'gramophone'" in str(wrong.error)
        async with running(tmp_path, '[providers]\ntext_to_speech = "orpheus"\n', allow="picky") as r:
            assert listed(r.reports[0])["providers"]["tts"] == "orpheus"


async def test_a_caller_may_get_a_model_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
    from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

    class Callbacks(LifecycleCallbacks):
        async def on_session_starting(self, session, config):
            return config.model_copy(update={"model": session.metadata["model"]})

    @hookimpl
    def agent_config(settings):
        return AgentConfig()

    @hookimpl
    def lifecycle_callbacks(settings):
        return Callbacks()
    """
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with installed(tmp_path) as plugins:
        plugins.install("choosy", code)
        async with running(tmp_path, allow="choosy", model=None) as r:
            async with calling(r.session("choosy") + "?model=demo") as caller:
                await caller.type("hello")
                await caller.expect("chat")
            async with calling(r.session("choosy") + "?model=openai:gpt-4.1") as caller:
                assert (await caller.ended())[0] == 4500
