from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sample_plugins import PluginFolder, plugin_folder


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginFolder]:
    monkeypatch.chdir(tmp_path)  # away from a settings file of ours
    with plugin_folder(tmp_path) as folder:
        yield folder
