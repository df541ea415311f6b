"""docs/how-to/write-a-speech-provider.md, done as it says: a third party's package, built, installed and called."""

import array
import json
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import blocks
from tests.packaging.commands import ROOT, run

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

PAGE = ROOT / "docs/how-to/write-a-speech-provider.md"
RECORDING = ROOT / "tests/data/go_forward_ten_meters.wav"


@pytest.fixture(scope="module")
def with_provider(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the package of the page as a wheel, and take it away again; a folder with the page's settings."""
    folder = tmp_path_factory.mktemp("provider")
    for block in blocks(PAGE):
        if block.note.startswith("file: "):
            file = folder / block.note.removeprefix("file: ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
    [settings] = [block.code for block in blocks(PAGE) if block.info == "toml" and "[providers]" in block.code]
    (folder / "voice-host.toml").write_text(settings, encoding="utf-8")
    run("uv", "build", "--wheel", "--out-dir", folder, folder / "tone-speech", cwd=folder)
    [wheel] = folder.glob("*.whl")
    run("uv", "pip", "install", "--no-deps", "--python", environment / "python", wheel, cwd=folder)
    yield folder
    run("uv", "pip", "uninstall", "--python", environment / "python", "tone-speech", cwd=folder)


def test_the_installed_provider_takes_a_call(environment: Path, with_provider: Path, tmp_path: Path) -> None:
    host = (environment / "voice-host", "call", "front-desk", "--config", with_provider / "voice-host.toml")
    said = run(*host, "--audio", RECORDING, "--save", tmp_path / "a.wav", cwd=tmp_path, VOICE_HOST_MODEL="demo")
    assert "yes" in said
    with wave.open(str(tmp_path / "a.wav")) as saved:
        samples = array.array("h", saved.readframes(saved.getnframes()))
    assert max(samples) in range(7900, 8001)  # the tones are as loud as the page makes them
    assert len(samples) > 24000


def test_check_covers_it(environment: Path, with_provider: Path) -> None:
    found = json.loads(run(environment / "voice-host", "check", "--json", cwd=with_provider, VOICE_HOST_MODEL="demo"))
    assert [(each["kind"], each["id"], each["status"]) for each in found] == [
        ("extension", "tone-speech", "ok"),
        ("agent", "front-desk", "ok"),
    ]
