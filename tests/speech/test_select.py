"""Choosing speech services by name, among the host's own and those of extensions."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.offers import VOICE
from tests.sample_plugins import PluginFolder, plugin_folder
from voice_host.settings import load_settings
from voice_host.speech.select import ProviderConfigError, SpeechServices, installed_extensions
from voice_host_sdk import AgentConfig

EARS = """
from voice_host_sdk import extensionimpl

made = []

class Ears:
    name = "Ears"
    reports_speech_end = False
    async def open(self, config): ...
    async def aclose(self): made.remove(self)

def ears():
    made.append(Ears())
    return made[-1]

@extensionimpl
def speech_to_text_providers():
    return {"ears": ears}
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    with plugin_folder(tmp_path) as folder:
        folder.install_extension("beeps", VOICE)
        yield folder


def services(**environ: str) -> SpeechServices:
    settings = load_settings(environ={f"VOICE_HOST_{name}": value for name, value in environ.items()})
    return SpeechServices(settings, installed_extensions(settings))


def test_an_extensions_service_is_made_once_when_it_is_first_chosen_and_closed_with_the_rest(
    plugins: PluginFolder,
) -> None:
    module = plugins.install_extension("ears", EARS)
    chosen = services()
    made = __import__(module).made
    assert made == []
    first = chosen.for_agent(AgentConfig(speech_to_text="ears", text_to_speech="beep"))
    second = chosen.for_agent(AgentConfig(speech_to_text="ears", text_to_speech="beep"))
    assert (first.stt.name, first.tts.name) == ("Ears", "Beep")
    assert first.stt is second.stt
    assert first.tts is second.tts
    assert len(made) == 1
    asyncio.run(chosen.aclose())
    assert made == []


@pytest.mark.parametrize(("declared", "used"), [("", 20), ("min_audio_ms = 80", 80), ("min_audio_ms = 'long'", 20)])
def test_a_recogniser_may_say_how_much_audio_it_wants_at_a_time(
    plugins: PluginFolder, declared: str, used: int
) -> None:
    plugins.install_extension("ears", EARS.replace('    name = "Ears"', f'    name = "Ears"\n    {declared}'))
    speech = services().for_agent(AgentConfig(speech_to_text="ears", text_to_speech="beep"))
    assert speech.min_audio_ms == used
    assert services().for_agent(AgentConfig(speech_to_text="embedded", text_to_speech="beep")).min_audio_ms == 32


async def test_methods_of_a_third_party_that_share_a_name_with_the_hosts_are_left_alone(
    plugins: PluginFolder,
) -> None:
    own = "    problem = 'none so far'\n    def prepare(self, what): raise NotImplementedError\n"
    plugins.install_extension("ears", EARS.replace("    async def open", f"{own}    async def open"))
    chosen = services()
    speech = chosen.for_agent(AgentConfig(speech_to_text="ears", text_to_speech="beep"))
    await chosen.prepare()
    assert speech.problem is None
    assert speech.names == {"stt": "Ears", "tts": "Beep"}
    await chosen.aclose()


def test_a_service_that_cannot_be_closed_does_not_keep_the_others_open(plugins: PluginFolder) -> None:
    module = plugins.install_extension("ears", EARS)
    plugins.install_extension("stuck", EARS.replace('"ears"', '"stuck"').replace("made.remove(self)", "1 / 0"))
    chosen = services()
    for name in ("ears", "stuck"):
        chosen.for_agent(AgentConfig(speech_to_text=name, text_to_speech="beep"))
    asyncio.run(chosen.aclose())
    assert __import__(module).made == []


def test_a_service_that_takes_too_long_to_close_is_left(plugins: PluginFolder) -> None:
    stuck = EARS.replace("made.remove(self)", "await __import__('asyncio').Event().wait()")
    module = plugins.install_extension("stuck", stuck)
    chosen = services(SERVER__STOP_TIMEOUT_S="0.01")
    chosen.for_agent(AgentConfig(speech_to_text="ears", text_to_speech="beep"))
    made = __import__(module).made
    assert len(made) == 1
    asyncio.run(chosen.aclose())
    assert len(made) == 1, "it was closed after all"


def test_the_platform_may_choose_it_for_all(plugins: PluginFolder) -> None:
    chosen = services(PROVIDERS__TEXT_TO_SPEECH="beep")
    chosen.require_named()
    assert chosen.for_agent(AgentConfig(text_to_speech="orpheus")).tts.name == "Beep"


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"PROVIDERS__SPEECH_TO_TEXT": "assembly"},
            "VOICE_HOST_PROVIDERS__SPEECH_TO_TEXT: there is no speech-to-text service 'assembly'; "
            "did you mean 'assemblyai'?",
        ),
        ({"PROVIDERS__TEXT_TO_SPEECH": "x"}, "known are assemblyai, beep, embedded, orpheus"),
        ({"PROVIDERS__TEXT_TO_SPEECH": "orpheus"}, "TEXT_TO_SPEECH: the speech service 'orpheus' needs a key: set"),
    ],
)
def test_what_the_platform_names_wrongly_is_told_at_once(
    plugins: PluginFolder, environ: dict[str, str], problem: str
) -> None:
    with pytest.raises(ProviderConfigError) as caught:
        services(**environ).require_named()
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise ValueError(settings['token'])", "cannot be created: ValueError: ********"),
        ("raise SystemExit", "cannot be created: it called sys.exit()"),
        ("return None", "is a NoneType, which has no name and no open and no aclose; its function must return a Text"),
    ],
)
def test_a_service_that_cannot_be_made_is_told_without_secrets(plugins: PluginFolder, body: str, problem: str) -> None:
    make = f"    def make():\n        {body}\n    return {{'sick': make}}"
    code = "from voice_host_sdk import extensionimpl\n@extensionimpl\ndef text_to_speech_providers(settings):\n" + make
    plugins.install_extension("clinic", code)
    with pytest.raises(ProviderConfigError) as caught:
        services(EXTENSION__CLINIC__TOKEN="the-secret").for_agent(AgentConfig(text_to_speech="sick"))
    assert "the text-to-speech service 'sick' of the extension 'clinic'" in str(caught.value)
    assert problem in str(caught.value)
