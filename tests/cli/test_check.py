"""`voice-host check`."""

import json
from typing import Any

import pytest
from typer.testing import Result

from tests.cli.conftest import Run
from tests.environments import make_environment
from tests.plugins.offers import VOICE
from tests.sample_plugins import HELLO, PluginFolder
from tests.speech.embedded.absent import without_engines
from voice_host.speech.embedded.loaded_once import LoadedOnce
from voice_host.speech.embedded.stt import moonshine

LIFE = (
    HELLO
    + """
from pathlib import Path
from voice_host_sdk import LifecycleCallbacks

class Callbacks(LifecycleCallbacks):
    async def on_startup(self):
        print("starting")
        Path("started").touch()

    async def on_shutdown(self):
        Path("stopped").touch()

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""
)


def verdicts(result: Result) -> dict[str, dict[str, Any]]:
    return {verdict["id"]: verdict for verdict in json.loads(result.stdout)}


@pytest.mark.usefixtures("embedded_speech")
def test_an_agent_passes_every_phase(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello", LIFE, distribution="hello-agent")
    result = run("check", "hello", "--json")
    assert result.exit_code == 0
    verdict = verdicts(result)["hello"]
    assert verdict.pop("import_ms") > 0
    assert verdict == {
        "id": "hello",
        "distribution": "hello-agent",
        "version": "1.2.3",
        "phase": "started",
        "status": "ok",
        "error": None,
        "hint": None,
        "where": None,
        "warnings": [],
        "kind": "agent",
    }
    assert (plugins.path / "started").exists()
    assert (plugins.path / "stopped").exists()
    assert "starting" in result.stderr


def test_a_package_whose_name_is_damaged_neither_stops_the_check_nor_drives_the_terminal(
    run: Run, plugins: PluginFolder
) -> None:
    plugins.install("hello", HELLO)
    damaged = plugins.path / "damaged-1.dist-info"
    damaged.mkdir()
    (damaged / "METADATA").write_text("Metadata-Version: 2.1\nName: dam\x1b[31m\u202eaged\nVersion: 1\n", "utf-8")
    (damaged / "entry_points.txt").write_text("[voice_host.agents]\ndamaged = no.such.module\n", "utf-8")
    result = run("check")
    assert "hello" in result.output
    assert isinstance(result.exception, SystemExit)
    assert not set("\x1b\u202e") & set(result.output)


@pytest.mark.usefixtures("embedded_speech")
def test_a_setting_that_the_agent_does_not_read_is_told(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello")
    (plugins.path / "voice-host.toml").write_text('[agent.hello.settings]\ngreting = "Hi!"\ntown = "Rome"\n')
    result = run("check", "hello", "--json")
    assert result.exit_code == 0
    assert verdicts(result)["hello"]["warnings"] == [
        "voice-host.toml: [agent.hello.settings] greting: the agent has not read it so far; did you mean 'greeting'?",
        "voice-host.toml: [agent.hello.settings] town: the agent has not read it so far; it reads greeting",
    ]
    by_variable = run("check", "hello", VOICE_HOST_AGENT__HELLO__SETTINGS__GRETING="Hi!")
    assert "SETTINGS__GRETING: the agent has not read it so far; did you mean 'greeting'?" in by_variable.stderr
    (plugins.path / "voice-host.toml").write_text('[agent.hello.settings]\ngreeting = "Hi!"\n')
    assert verdicts(run("check", "hello", "--json"))["hello"]["warnings"] == []


@pytest.mark.parametrize(
    ("voice", "warnings"),
    [
        ("tarra", ["orpheus has no voice 'tarra' and uses another one; did you mean 'tara'?"]),
        ("tara", []),
        ("jess", []),
    ],
)
@pytest.mark.usefixtures("embedded_speech")
def test_a_voice_that_the_service_does_not_have_is_told(
    run: Run, plugins: PluginFolder, voice: str, warnings: list[str]
) -> None:
    plugins.install(
        "hello", HELLO.replace("title=", f'tts_config=__import__("voice_host_sdk").TTSConfig(voice="{voice}"), title=')
    )
    result = run("check", "hello", "--json", ASSEMBLYAI_TTS_API_KEY="a-key")
    assert verdicts(result)["hello"]["warnings"] == warnings


def test_an_agent_that_would_take_the_platforms_key_elsewhere_is_told_so(run: Run, plugins: PluginFolder) -> None:
    plugins.install(
        "sly",
        """
from voice_host_sdk import AgentConfig, STTConfig, hookimpl

@hookimpl
def agent_config(settings):
    return AgentConfig(stt_config=STTConfig(wss_base="wss://keys.example.net/v3/ws"))
""",
    )
    result = run("check", "sly", "--json", ASSEMBLYAI_API_KEY="planted-stt-key")
    assert result.exit_code == 1
    assert "names the host 'keys.example.net'" in verdicts(result)["sly"]["error"]
    assert "planted-stt-key" not in result.output


def test_one_broken_agent_fails_the_check_and_the_others_are_still_checked(run: Run, plugins: PluginFolder) -> None:
    plugins.install("bad", "import sys; sys.exit(3)")
    plugins.install("good")
    plugins.install("old", requires=("voice-host-sdk<1",))
    plugins.install("shy", LIFE.replace('Path("stopped").touch()', "raise ValueError('no')"))
    result = run("check", "bad", "good", "old", "shy", "--json")
    assert result.exit_code == 1
    found = verdicts(result)
    assert {agent_id: (each["phase"], each["status"]) for agent_id, each in found.items()} == {
        "bad": ("imported", "broken"),
        "good": ("started", "ok"),
        "old": ("compatible", "broken"),
        "shy": ("stopped", "broken"),
    }
    assert "it called sys.exit(3)" in found["bad"]["error"]
    assert found["bad"]["where"].endswith("/__init__.py:1")


def test_the_table_for_people(run: Run, plugins: PluginFolder) -> None:
    module = plugins.install("bad", HELLO.replace("agent_config", "agent_confg"))
    result = run("check", "bad")
    line = " ".join(result.stdout.splitlines()[1].split())
    assert result.exit_code == 1
    assert line.startswith("bad registered broken ")
    assert line.endswith(f"there is no hook 'agent_confg' ({module}/__init__.py:4) - did you mean 'agent_config'?")


def test_an_unknown_agent_is_an_error_that_lists_the_known_ones(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello")
    near, far = run("check", "helo"), run("check", "xyz")
    assert (near.exit_code, far.exit_code) == (2, 2)
    assert "no agent 'helo' is installed; did you mean 'hello'?" in near.stderr
    assert "known are front-desk, hello" in far.stderr


def test_an_agent_that_is_not_allowed_is_left_out_unless_it_is_asked_for(run: Run, plugins: PluginFolder) -> None:
    plugins.install("bad", "raise RuntimeError('imported')")
    plugins.install("good")
    environ = {"VOICE_HOST_AGENTS__ALLOW": "good"}
    everything, named = run("check", "--json", **environ), run("check", "bad", "--json", **environ)
    assert everything.exit_code == 0
    assert verdicts(everything)["bad"]["status"] == "not allowed"
    assert verdicts(everything)["bad"]["import_ms"] is None
    assert named.exit_code == 1
    assert verdicts(named)["bad"]["phase"] == "allowed"


def test_a_required_agent_that_is_absent_or_not_allowed_fails_the_check(run: Run, plugins: PluginFolder) -> None:
    plugins.install("good")
    plugins.install("needed")
    result = run("check", "--json", VOICE_HOST_AGENTS__ALLOW="good", VOICE_HOST_AGENTS__REQUIRED="gone,needed")
    assert result.exit_code == 1
    found = verdicts(result)
    assert (found["good"]["status"], found["gone"]["status"], found["needed"]["status"]) == ("ok", "broken", "broken")
    assert "error: VOICE_HOST_AGENTS__REQUIRED: no agent 'gone' is installed" in result.stderr


def test_a_pin_that_clashes_with_the_hosts_is_flagged(run: Run, plugins: PluginFolder) -> None:
    plugins.install("pinned", requires=("voice-host-sdk>=1,<2", "pydantic==2.0.1"))
    result = run("check", "pinned")
    assert result.exit_code == 0
    assert "warning: pinned: it pins pydantic==2.0.1, but voice-host needs pydantic" in result.stderr
    plugins.install("apart", requires=("voice-host-sdk>=1,<2", "pytest==2.0.1"))
    assert "warning: apart: it needs pytest==2.0.1, but " in run("check", "apart").stderr


@pytest.mark.usefixtures("embedded_speech")
def test_a_requirement_that_is_not_met_is_flagged(run: Run, plugins: PluginFolder) -> None:
    plugins.install("behind", requires=("voice-host-sdk>=1,<2", "pytest<3", "not-there"))
    result = run("check", "behind", "--json")
    assert result.exit_code == 0
    assert [warning.split(",")[0] for warning in verdicts(result)["behind"]["warnings"]] == [
        "it needs pytest<3",
        "it needs not-there",
    ]


def test_the_agents_own_settings_reach_it(run: Run, plugins: PluginFolder) -> None:
    plugins.install("picky", HELLO.replace('settings.get("greeting", "Hello!")', 'settings["greeting"]'))
    assert run("check", "picky").exit_code == 1
    assert run("check", "picky", VOICE_HOST_AGENT__PICKY__SETTINGS__GREETING="Hi").exit_code == 0


@pytest.mark.parametrize(
    ("services", "environ", "problem"),
    [
        ('speech_to_text="assembly"', {}, "there is no speech-to-text service 'assembly'"),
        ('text_to_speech="orfeus"', {}, "there is no text-to-speech service 'orfeus'"),
        ('text_to_speech="orpheus"', {}, "set ASSEMBLYAI_TTS_API_KEY"),
        ('speech_to_text="assemblyai"', {"ASSEMBLYAI_TTS_API_KEY": "k"}, "set ASSEMBLYAI_API_KEY"),
    ],
)
def test_speech_services_that_cannot_be_had_break_the_agent_as_they_do_when_it_is_served(
    run: Run, plugins: PluginFolder, services: str, environ: dict[str, str], problem: str
) -> None:
    plugins.install("wanting", HELLO.replace('title="Hello"', services))
    result = run("check", "wanting", "--json", **environ)
    assert result.exit_code == 1
    verdict = verdicts(result)["wanting"]
    assert (verdict["phase"], verdict["status"]) == ("configured", "broken")
    assert problem in verdict["error"]


def test_a_host_without_speech_is_warned_about(
    run: Run, plugins: PluginFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_engines(monkeypatch)
    plugins.install("hello")
    result = run("check", "hello", "--json")
    assert result.exit_code == 0
    [warning] = verdicts(result)["hello"]["warnings"]
    assert 'install "voice-host[embedded]"' in warning


def test_an_installed_engine_that_cannot_be_loaded_is_warned_about(
    run: Run, plugins: PluginFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> None:
        raise OSError("damaged")

    monkeypatch.setattr(moonshine, "load_model", LoadedOnce(moonshine.load_model.load))
    monkeypatch.setattr(moonshine, "model_folder", damaged)
    plugins.install("hello")
    result = run("check", "hello", "--json")
    assert result.exit_code == 0
    [warning] = verdicts(result)["hello"]["warnings"]
    assert "moonshine-voice is installed but cannot be loaded" in warning


def test_an_agent_that_asks_for_embedded_speech_is_broken_without_it(
    run: Run, plugins: PluginFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_engines(monkeypatch)
    plugins.install("wanting", HELLO.replace('title="Hello"', 'text_to_speech="embedded"'))
    result = run("check", "wanting", "--json")
    assert result.exit_code == 1
    assert 'install "voice-host[embedded]"' in verdicts(result)["wanting"]["error"]


@pytest.mark.usefixtures("embedded_speech")
def test_tools_that_leave_something_unsaid_are_warned_about(run: Run, plugins: PluginFolder) -> None:
    code = "def vague(x):\n    pass\n" + HELLO.replace("AgentConfig(t", "AgentConfig(tools=[vague], t")
    module = plugins.install("terse", code)
    result = run("check", "terse", "--json")
    assert result.exit_code == 0
    assert verdicts(result)["terse"]["warnings"] == [
        f"tool vague(x): parameter x has no type; the model is told nothing about it ({module}/__init__.py:1)",
        f"tool vague(x) has no docstring; the model is told only its name ({module}/__init__.py:1)",
    ]
    said = run("check", "terse").stderr
    assert said.count("tool vague(x) has no docstring") == 1
    assert "warning: terse: tool vague(x)" in said


def test_a_type_that_no_schema_can_be_made_of_breaks_the_agent(run: Run, plugins: PluginFolder) -> None:
    code = """
    from voice_host_sdk import AgentConfig, hookimpl

    class Guest:
        pass

    def greet(guest: Guest) -> str:
        \"\"\"Greet a guest.\"\"\"
        return "Hello"

    @hookimpl
    def agent_config(settings):
        return AgentConfig(tools=[greet])
    """
    module = plugins.install("untold", code)
    result = run("check", "untold", "--json")
    assert result.exit_code == 1
    verdict = verdicts(result)["untold"]
    assert (verdict["phase"], verdict["status"]) == ("configured", "broken")
    assert verdict["error"].startswith("the tool 'greet' cannot be offered to the model: ")
    assert verdict["where"] == f"{module}/__init__.py:7"
    assert "Guest" in verdict["error"]


def test_an_allow_list_that_leaves_out_every_agent_fails_the_check(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello")
    result = run("check", VOICE_HOST_AGENTS__ALLOW="helo")
    assert result.exit_code == 1
    assert "no agent 'helo' is installed; did you mean 'hello'?" in result.stderr
    assert "agents are installed, but none is allowed by VOICE_HOST_AGENTS__ALLOW." in " ".join(result.stderr.split())


def test_extensions_are_checked_too(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello", HELLO.replace('title="Hello"', 'text_to_speech="beep"'))
    plugins.install_extension("beeps", VOICE, distribution="beep-voice")
    plugins.install_extension("other", VOICE.replace('"beep"', '"other"'))
    result = run("check", "--json", VOICE_HOST_EXTENSIONS__ALLOW="beeps", VOICE_HOST_AGENTS__ALLOW="hello")
    assert result.exit_code == 0
    found = {verdict["id"]: verdict for verdict in json.loads(result.stdout) if verdict["kind"] == "extension"}
    assert (found["beeps"]["status"], found["beeps"]["distribution"]) == ("ok", "beep-voice")
    assert (found["other"]["status"], found["other"]["import_ms"]) == ("not allowed", None)
    assert "ok" in run("check", VOICE_HOST_AGENTS__ALLOW="hello").stdout


def test_a_broken_extension_fails_the_check_of_any_agent_and_keeps_the_host_from_starting(
    run: Run, plugins: PluginFolder
) -> None:
    plugins.install("hello")
    plugins.install_extension("beeps", VOICE.replace("text_to_speech_providers", "text_to_speech_provider"))
    checked = run("check", "hello", "--json")
    assert checked.exit_code == 1
    assert [verdict["kind"] for verdict in json.loads(checked.stdout)] == ["extension", "agent"]
    served = run("serve", "--port", "0")
    assert served.exit_code == 1
    assert "error: the extension 'beeps' of" in served.stderr
    assert "there is no hook 'text_to_speech_provider'" in served.stderr
    assert "next: did you mean 'text_to_speech_providers'?" in served.stderr
    assert run("call", "hello", "--text", "hi").exit_code == 1


def test_a_service_that_the_platform_names_wrongly_is_refused_at_start(run: Run, plugins: PluginFolder) -> None:
    result = run("serve", "--port", "0", VOICE_HOST_PROVIDERS__TEXT_TO_SPEECH="embeded")
    assert result.exit_code == 2
    assert "VOICE_HOST_PROVIDERS__TEXT_TO_SPEECH: there is no text-to-speech service 'embeded'" in result.stderr


HANGING = "import time\n\ntime.sleep(600)\n"


def test_an_import_that_hangs_is_given_up_with_its_place_and_the_others_are_checked(
    run: Run, plugins: PluginFolder
) -> None:
    module = plugins.install("hangs", HANGING)
    plugins.install("stubborn", "import time\ntry:\n    time.sleep(600)\nexcept BaseException:\n    time.sleep(600)\n")
    plugins.install("works")
    result = run("check", "hangs", "stubborn", "works", "--timeout-s", "0.3", "--json")
    assert result.exit_code == 1
    found = verdicts(result)
    assert found["hangs"]["error"] == f"importing {module} failed: TookTooLong: it took longer than 0.3 s"
    assert (found["hangs"]["phase"], found["hangs"]["where"]) == ("imported", f"{module}/__init__.py:3")
    assert (found["stubborn"]["status"], found["works"]["status"]) == ("broken", "ok")


SESSION = (
    HELLO
    + """
from voice_host_sdk import LifecycleCallbacks

class Callbacks(LifecycleCallbacks):
    async def on_session_starting(self, session, config):
        {}

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""
)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (
            "return config.model_copy(update={'max_steps': 0})",
            "broken",
            "on_session_starting returned an invalid Agent",
        ),
        (
            "return config.model_copy(update={'model': 'openai:x'})",
            "broken",
            "an unavailable configuration: The model 'openai:x'",
        ),
        (
            "session.state['greeted'] = True",
            "broken",
            "on_session_starting returned None, it must return an AgentConfig",
        ),
        ("return config.model_copy(update={'greeting': 'Hello.'})", "ok", None),
        (
            "return config.model_copy(update={'greeting': session.metadata['x']})",
            "ok",
            "refused a call without caller and",
        ),
        ("raise SystemExit", "ok", "it called sys.exit()"),
    ],
)
@pytest.mark.usefixtures("embedded_speech")
def test_the_configuration_of_a_session_is_built(
    run: Run, plugins: PluginFolder, body: str, status: str, said: str | None
) -> None:
    plugins.install("per-caller", SESSION.replace("{}", body))
    verdict = verdicts(run("check", "per-caller", "--json"))["per-caller"]
    assert verdict["status"] == status
    told = [verdict["error"]] if status == "broken" else verdict["warnings"]
    assert len(told) == (said is not None)
    assert all(said in message for message in told)
    assert (verdict["where"] is not None) == (status == "broken")


def test_an_agent_of_another_environment_is_checked_there(run: Run, plugins: PluginFolder) -> None:
    environment = make_environment(plugins.path / "env")
    environment.install("apart", HELLO + "import sys; print(sys.prefix)", version="2.0")
    module = environment.install("other", "import no_such_module")
    settings = {"VOICE_HOST_AGENT__APART__ENVIRONMENT": "env", "VOICE_HOST_AGENT__OTHER__ENVIRONMENT": "env"}
    result = run("check", "apart", "other", "--json", **settings)
    assert result.exit_code == 1
    found = verdicts(result)
    assert (found["apart"]["status"], found["apart"]["version"]) == ("ok", "2.0")
    assert (found["other"]["status"], found["other"]["phase"]) == ("broken", "imported")
    assert "no_such_module" in found["other"]["error"]
    assert found["other"]["where"] == f"{module}/__init__.py:1"
    disabled = {**settings, "VOICE_HOST_AGENT__OTHER__ENABLED": "false", "VOICE_HOST_AGENTS__ALLOW": "other"}
    found = verdicts(run("check", "--json", **disabled))
    assert (found["apart"]["status"], found["other"]["status"]) == ("not allowed", "disabled")


def test_deployed_releases_are_checked_too(run: Run, plugins: PluginFolder) -> None:
    release = plugins.path / "voice-host-data" / "releases" / "hello" / "1.4"
    make_environment(release / "env").install("hello", version="1.4")
    found = verdicts(run("check", "hello", "--json"))
    assert [(each["id"], each["version"], each["status"]) for each in found.values()] == [("hello@1.4", "1.4", "ok")]
