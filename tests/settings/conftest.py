from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voice_host.settings import Settings, load_settings

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load settings from the text of a file and nothing but the given variables."""
    monkeypatch.chdir(tmp_path)

    def load(text: str = "", options: dict[str, Any] | None = None, **environ: str) -> Settings:
        (tmp_path / "voice-host.toml").write_text(text, encoding="utf-8")
        return load_settings(environ=environ, options=options)

    return load
