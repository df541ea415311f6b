"""TOML has `inf` and `nan`, and Python reads them from text: no time and no limit may be one."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tests.settings.conftest import Load
from voice_host.settings import SettingsError, variable_name
from voice_host.settings.agent import AgentSettings
from voice_host.settings.model import Tables

KeyPath = tuple[str, ...]


def floats(model: type[BaseModel], path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of every setting that may be a float."""
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from floats(inner, (*path, name))
        elif inner in (float, float | None):
            yield (*path, name)


FLOATS = [*floats(Tables), *floats(AgentSettings, ("agent", "desk"))]


MAY_BE_INFINITE = {("limits", "max_lag_s")}  # late speech is then never skipped


def test_what_may_be_infinite_must_be_a_number(load: Load) -> None:
    assert math.isinf(load("limits.max_lag_s = inf").limits.max_lag_s)
    for value in ("nan", "-inf"):
        with pytest.raises(SettingsError, match=rf"must be a number greater than 0, not {value}"):
            load(f"limits.max_lag_s = {value}")


def test_they_are_found() -> None:
    assert len(FLOATS) > 20
    assert ("agent", "desk", "max_call_s") in FLOATS


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("path", [path for path in FLOATS if path not in MAY_BE_INFINITE], ids=".".join)
def test_a_number_must_be_finite(load: Load, path: KeyPath, value: str) -> None:
    for text, environ in ((f"{'.'.join(path)} = {value}", {}), ("", {variable_name(path): value})):
        with pytest.raises(SettingsError) as caught:
            load(text, **environ)
        [problem] = caught.value.problems
        assert "must be a finite number" in str(problem)
        assert value in str(problem)
        assert path[-1].lower() in str(problem).lower()
