"""What an agent's developer sees of an exception: all of their own code, and nothing of ours."""

import asyncio

import pytest

from tests.plugins.finding import broken, loaded
from tests.sample_plugins import PluginFolder
from voice_host.plugins import BrokenAgent, start_agent
from voice_host.settings.secrets import SecretText

HEAD = "from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl\n\n"
HOOK = HEAD + "@hookimpl\ndef agent_config(settings):\n    "


def where(plugins: PluginFolder, module: str, file: str = "__init__.py") -> str:
    return str(plugins.path / module / file)


def test_an_error_of_syntax_is_shown_with_its_line_and_who_imports_it(plugins: PluginFolder) -> None:
    module = plugins.install("hello")
    (plugins.path / module / "__init__.py").write_text(f"from {module} import tools\n", encoding="utf-8")
    (plugins.path / module / "tools.py").write_text("def price(:\n    pass\n", encoding="utf-8")
    shown = broken("hello").traceback or ""
    assert shown.splitlines() == [
        "Traceback (most recent call last):",
        f'  File "{where(plugins, module)}", line 1, in <module>',
        f"    from {module} import tools",
        f'  File "{where(plugins, module, "tools.py")}", line 1',
        "    def price(:",
        "              ^",
        "SyntaxError: invalid syntax",
    ]


@pytest.mark.parametrize(
    ("code", "ends_with"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit('no')", "SystemExit: no"),
        (HOOK + "return AgentConfg()", "NameError: name 'AgentConfg' is not defined"),
        (HOOK + "return AgentConfig(titel='x')", "https://errors.pydantic.dev"),
        (HOOK + "return settings['flavour']", "has no key 'flavour'"),
    ],
)
def test_an_exception_is_shown_with_the_frames_of_the_agent_alone(
    plugins: PluginFolder, code: str, ends_with: str
) -> None:
    module = plugins.install("hello", code)
    shown = broken("hello").traceback or ""
    assert ends_with in shown.splitlines()[-1]
    assert {line.partition(",")[0] for line in shown.splitlines() if line.startswith("  File ")} == {
        f'  File "{where(plugins, module)}"'
    }


def test_what_led_to_an_exception_is_shown_too(plugins: PluginFolder) -> None:
    code = """
    def load():
        try:
            open("/nowhere/menu.txt")
        except OSError as error:
            raise ValueError("no menu") from error

    load()
    """
    plugins.install("hello", code)
    shown = broken("hello").traceback or ""
    assert shown.index("FileNotFoundError") < shown.index("direct cause") < shown.index("ValueError: no menu")
    assert "importlib" not in shown


def test_secrets_are_taken_out_and_a_long_trace_keeps_its_end(plugins: PluginFolder) -> None:
    plugins.install("hello", HOOK + "raise ValueError('x' * 20_000 + str(settings['key']) + 'y' * 5990)")
    shown = broken("hello", key=SecretText("very-secret-key")).traceback or ""
    assert shown.startswith("[...]")
    assert shown.endswith("yyy")
    assert "key" not in shown, "not even the end of one that lies where the trace is cut"
    assert len(shown) < 7_000


def test_a_fault_without_an_exception_of_the_agent_has_no_trace(plugins: PluginFolder) -> None:
    plugins.install("hello", HOOK + "return None")
    plugins.install("gone", module="not_there_at_all")
    assert broken("hello").traceback is None
    assert broken("gone").traceback is None


STARTING = (
    HOOK
    + """return AgentConfig()

class Callbacks(LifecycleCallbacks):
    async def on_startup(self):
        raise ConnectionError("no database")

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""
)


def test_an_exception_in_on_startup_is_shown(plugins: PluginFolder) -> None:
    module = plugins.install("hello", STARTING)
    outcome = asyncio.run(start_agent(loaded("hello"), 5))
    assert isinstance(outcome, BrokenAgent)
    shown = (outcome.traceback or "").splitlines()
    assert shown[1].startswith(f'  File "{where(plugins, module)}"')
    assert shown[1].endswith("in on_startup")
    assert shown[-1] == "ConnectionError: no database"
    assert "Traceback" not in repr(outcome)
