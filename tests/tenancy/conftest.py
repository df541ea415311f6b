"""Agents' code under module names of its own, as an installed package would have."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def code_of() -> Callable[[str, str], Any]:
    """Return a module of that name that holds that code."""

    def make(name: str, code: str) -> Any:
        module = ModuleType(name)
        exec(compile(code, f"site-packages/{name.replace('.', '/')}.py", "exec"), module.__dict__)
        return module

    return make
