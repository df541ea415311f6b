"""`@tool`, with parentheses and without."""

from pathlib import Path

import pytest

from tests.groups import needs
from voice_host_sdk import ToolOptions, tool, tool_options

TYPED = """
from voice_host_sdk import tool

@tool
def bare(day: str) -> int:
    return len(day)

@tool(terminal=True)
async def called(day: str) -> int:
    return len(day)

reveal_type(bare)
reveal_type(called)
"""


def test_without_parentheses_it_has_the_defaults() -> None:
    def function(day: str) -> str:
        return day

    assert tool(function) is function
    assert function("friday") == "friday"
    assert tool_options(function) == ToolOptions()


def test_with_parentheses_it_has_what_was_said() -> None:
    @tool(timeout_s=5, on_interrupt="finish", terminal=True)
    def function() -> None: ...

    assert tool_options(function) == ToolOptions(5, "finish", True)


def test_an_option_without_its_name_is_refused() -> None:
    with pytest.raises(TypeError, match=r"by name, e\.g\. @tool\(timeout_s=5\), not 5"):
        tool(5)  # type: ignore[type-var]


def test_a_function_keeps_its_type(tmp_path: Path) -> None:
    needs("mypy")
    from mypy import api

    file = tmp_path / "typed.py"
    file.write_text(TYPED, encoding="utf-8")
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n", encoding="utf-8")
    found, problems, code = api.run([f"--config-file={config}", f"--cache-dir={tmp_path / 'cache'}", str(file)])
    assert (code, problems) == (0, "")
    assert 'Revealed type is "def (day: str) -> int"' in found.replace("builtins.", "")
    assert "Coroutine[Any, Any, int]" in found.replace("builtins.", "").replace("typing.", "")
