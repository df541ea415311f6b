"""A built-in speech service is a folder with a spec: nothing else of the host knows its name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import voice_host.speech
from tests.calls.client import calling
from tests.docs.markdown import ROOT
from tests.front.hosting import COUNTING, installed, running
from voice_host.fleet.report import Providers
from voice_host.settings import (
    SettingsError,
    SpeechService,
    built_in_services,
    known_secrets,
    list_settings,
    load_settings,
    service_limitations,
)
from voice_host.speech.select import ProviderConfigError, SpeechServices, installed_extensions
from voice_host_sdk import AgentConfig, TTSConfig

HOST = ROOT / "host/src/voice_host"
ADDED = Path(__file__).parent / "added"

OTHER_MEANINGS = re.compile(
    # The gateway of language models takes the key of a speech service, and the public arguments are named after it.
    r"assemblyai_api_key|_assemblyai_key|llm-gateway\.assemblyai|AssemblyAI (API )?key"
    # The extra of the distribution, and settings that have gone.
    r"|voice-host\[embedded\]|embedded_\w+_timeout_s|embedded_processes|embedded speech runs in threads",
    re.IGNORECASE,
)


ORDINARY_WORDS = {"embedded"}
"""Names of services that are searched for only where they name one: quoted, as part of a module, or before "speech"."""


def pattern(name: str) -> re.Pattern[str]:
    """Return what a service's name, or its variable, looks like in a line."""
    if name in ORDINARY_WORDS:
        return re.compile(rf"""["'`.]{name}\b|\b{name} (demo|speech|voice|recogniser)""", re.IGNORECASE)
    return re.compile(re.escape(name), re.IGNORECASE)


def variables(service: SpeechService) -> set[str]:
    return {field.alias for field in service.options.model_fields.values() if field.alias}


def test_no_service_is_named_outside_of_its_folder() -> None:
    services = {HOST / "speech" / service.name: service for service in built_in_services()}
    found = []
    for file in HOST.rglob("*"):
        if not file.is_file() or file.suffix == ".pyc":
            continue
        others = [service for folder, service in services.items() if folder not in file.parents]
        own = {variable for service in services.values() if service not in others for variable in variables(service)}
        foreign = [pattern(name) for each in others for name in (each.name, *variables(each))]
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            rest = OTHER_MEANINGS.sub("", line)
            for variable in own:
                rest = re.sub(variable, "", rest, flags=re.IGNORECASE)
            if any(name.search(rest) for name in foreign):
                found.append(f"{file.relative_to(HOST)}:{number}: {line.strip()}")
    assert found == []


def test_a_folder_is_named_like_its_service() -> None:
    folders = {path.parent.name for path in (HOST / "speech").glob("*/spec.py")}
    assert {service.name for service in built_in_services()} == folders


# --- adding one ---------------------------------------------------------------------------------------------------


@pytest.fixture
def chirp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another folder of services beside the host's own: all that adding one takes."""
    monkeypatch.setattr(voice_host.speech, "__path__", [*voice_host.speech.__path__, str(ADDED)])
    built_in_services.cache_clear()
    yield
    built_in_services.cache_clear()


KEY = {"CHIRP_API_KEY": "chirp-secret"}


@pytest.mark.usefixtures("chirp")
def test_its_variables_are_settings_and_its_key_is_a_secret() -> None:
    settings = load_settings(environ=KEY | {"VOICE_HOST_CHIRP_URL": "wss://chirp.example.com/x"})
    entries = {entry.key: entry.value for entry in list_settings(settings)}
    assert entries["CHIRP_API_KEY"] == "********"
    assert entries["VOICE_HOST_CHIRP_URL"] == "wss://chirp.example.com/x"
    assert "chirp-secret" in known_secrets(settings)
    assert "chirp-secret" not in repr(settings)
    with pytest.raises(SettingsError, match="VOICE_HOST_CHIRP_URL: must be an address starting with wss:// or ws:"):
        load_settings(environ={"VOICE_HOST_CHIRP_URL": "chirp.example.com"})
    assert load_settings(environ={}).with_keys(chirp_api_key=None).speech_to_text == "embedded"


def test_without_its_folder_its_variables_are_unknown() -> None:
    with pytest.raises(SettingsError, match="VOICE_HOST_CHIRP_URL: there is no such variable"):
        load_settings(environ={"VOICE_HOST_CHIRP_URL": "wss://chirp.example.com/x"})


@pytest.mark.usefixtures("chirp")
def test_auto_ranks_it_once_its_key_is_set() -> None:
    others = {"ASSEMBLYAI_API_KEY": "a", "ASSEMBLYAI_TTS_API_KEY": "b"}
    without, settings = load_settings(environ=others), load_settings(environ=others | KEY)
    assert (without.speech_to_text, without.text_to_speech) == ("assemblyai", "orpheus")
    assert (settings.speech_to_text, settings.text_to_speech) == ("chirp", "chirp")
    with pytest.raises(ProviderConfigError, match="the speech service 'chirp' needs a key: set CHIRP_API_KEY"):
        SpeechServices(without, installed_extensions(without)).for_agent(AgentConfig(speech_to_text="chirp"))
    [notice] = service_limitations(["chirp"])
    assert notice == "Chirps only. Set CHIRP_API_KEY for the cloud services."


@pytest.mark.usefixtures("chirp")
def test_its_key_stays_with_its_hosts() -> None:
    def choose(url: str, **environ: str) -> str:
        services = SpeechServices(load_settings(environ=KEY | environ))
        return services.for_agent(AgentConfig(tts_config=TTSConfig(wss_url=url))).tts.name

    assert choose("wss://chirp.example.com/voice") == "chirp"
    assert choose("wss://elsewhere.example.com/", VOICE_HOST_CHIRP_URL="wss://chirp.example.com/") == "chirp"
    with pytest.raises(ProviderConfigError, match="does not send its CHIRP_API_KEY"):
        choose("wss://model-q844y7pw.api.baseten.co/")


@pytest.mark.usefixtures("chirp")
async def test_it_holds_a_call(tmp_path: Path) -> None:
    toml = f'[agent.counting.settings]\nfolder = "{tmp_path}"\n'
    with installed(tmp_path) as plugins:
        plugins.install("counting", COUNTING)
        environ = {**KEY, "VOICE_HOST_CHIRP_URL": "wss://chirp.example.com/"}
        async with running(tmp_path, toml, allow="counting", environ=environ) as host:
            [agent] = host.reports
            assert agent.providers == Providers(stt="chirp", tts="chirp", model="demo")
            assert agent.speech_notices
            async with calling(host.session("counting")) as caller:
                await caller.expect("tts_done")
                assert set(caller.audio) == {0x11}
                await caller.speak(bytes(16000))
                await caller.expect("chat", text="On Friday we open at nine.")
                await caller.expect("tts_done", count=2)
