"""Extensions of the platform beside an agent that is being written."""

from pathlib import Path

import pytest

from tests.plugins.offers import VOICE
from tests.sample_plugins import plugin_folder
from voice_host.dev.child import extensions_or_broken
from voice_host.plugins import BrokenAgent
from voice_host.settings import load_settings
from voice_host.speech.select import SpeechServices
from voice_host_sdk import AgentConfig


@pytest.mark.usefixtures("embedded_speech")
def test_their_speech_is_there_and_a_broken_one_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={"VOICE_HOST_PROVIDERS__TEXT_TO_SPEECH": "beep"})
    with plugin_folder(tmp_path) as plugins:
        plugins.install_extension("beeps", VOICE)
        extensions, outcomes = extensions_or_broken(settings, [], tmp_path)
        speech = SpeechServices(settings, extensions)
        assert speech.for_agent(AgentConfig(speech_to_text="embedded")).tts.name == "Beep"
        assert outcomes == []
        plugins.install_extension("sick", "import sys; sys.exit(3)")
        _, [shown] = extensions_or_broken(settings, [], tmp_path)
        assert isinstance(shown, BrokenAgent)
        assert "the extension 'sick'" in shown.error
