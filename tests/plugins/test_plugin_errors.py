"""Every message of docs/reference/plugin-errors.md, provoked: the words, the place, and what to do next."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.docs.markdown import read
from tests.plugins.finding import find, load
from tests.sample_plugins import HELLO, PluginFolder
from voice_host.conversation.runtime import AgentRuntime
from voice_host.fleet.agent_setup import prepare
from voice_host.models import ModelRegistry
from voice_host.plugins import BrokenAgent, LoadedAgent
from voice_host.settings import Settings
from voice_host.speech.select import SpeechServices

IMPORTS = "from voice_host_sdk import AgentConfig, LifecycleCallbacks, TTSConfig, hookimpl\n"
CONFIG = IMPORTS + "@hookimpl\ndef agent_config(settings):\n    "
CALLBACKS = CONFIG + "return AgentConfig()\n@hookimpl\ndef lifecycle_callbacks(settings):\n    return "
TOOLS = CONFIG + "return AgentConfig(tools=[{}])\n"


@dataclass(frozen=True)
class Case:
    """A plugin, the message as the page has it, and what else is said. `line`: where, in the plugin's one file."""

    message: str
    code: str = HELLO
    hint: str = ""
    line: int | None = None
    attribute: str = ""
    module: str | None = None
    requires: tuple[str, ...] = ("voice-host-sdk>=1,<2",)


NO_MODULE = "importing ... failed: ModuleNotFoundError: No module named '...'"
RETURNED = "agent_config returned ..., it must return an AgentConfig"

CASES = [
    Case(NO_MODULE, module="nowhere_at_all", hint="check the entry point, and that the package is part of the build"),
    Case(NO_MODULE, "x = 1\nimport not_there", "does not declare what brings 'not_there': add it to its dependen", 2),
    Case(
        NO_MODULE,
        "import not_there.inner",
        "declares 'Not-There>=2', which is not installed: ",
        1,
        requires=("voice-host-sdk>=1,<2", "Not-There>=2"),
    ),
    Case(NO_MODULE, "from .tools import b", "is the name right, and is the file part of the build?", 1),
    Case("importing ... failed: ...", "x = 1\nraise ValueError('no menu')", line=2),
    Case("importing ... failed: it called sys.exit(...)", "import sys\nsys.exit(3)", "raise an exception", 2),
    Case("'...' cannot be found: AttributeError: ...", attribute="nothing", hint="check the entry point"),
    Case(
        "it declares voice-host-sdk..., this host runs ...",
        requires=("voice-host-sdk<1",),
        hint="install a version of",
    ),
    Case(
        "there is no hook '...'",
        HELLO.replace("def agent_config", "def agent_confg"),
        "did you mean 'agent_config'?",
        4,
    ),
    Case("the hook 'agent_config' is missing", "x = 1", "add `@hookimpl` and `def agent_config(settings)"),
    Case(
        "the hook 'agent_config' is missing",
        "def agent_conf(settings): ...",
        "is `def agent_conf` meant? Call it agent_config, and put @hookimpl above it",
        1,
    ),
    Case("agent_config is not marked as a hook", "\ndef agent_config(): ...", "put @hookimpl from voice_host_sdk", 2),
    Case("the hook '...' is an `async def`", HELLO.replace("def a", "async def a"), "make it a plain `def`", 4),
    Case("the hook '...' takes the argument '...'", HELLO.replace("(settings)", "(s)"), "hooks take `settings`", 4),
    Case("the entry point names the class ...", "class P: ...", "name the module, or an instance", attribute="P"),
    Case("... failed: ...", CONFIG + "raise ValueError('no menu')", line=4),
    Case(
        "... failed: [...] has no key '...'",
        CONFIG + "return AgentConfig(title=settings['titel'])",
        "set titel there, or the variable VOICE_HOST_AGENT__BAD__SETTINGS__TITEL; did you mean 'title'?",
        4,
    ),
    Case(
        "... failed: ...",
        CONFIG + "return AgentConfig(title=settings.title)",
        'write settings["title"], or settings.get("title")',
        4,
    ),
    Case(RETURNED, CONFIG + "return None", "is there a `return` missing?", 2),
    Case(RETURNED, CONFIG + "return {'title': 'x'}", "return AgentConfig(**the_dict)", 2),
    Case(RETURNED, CONFIG + "return AgentConfig", "return an instance: `AgentConfig()`", 2),
    Case(
        "agent_config returned a coroutine",
        "async def later(): ...\n" + CONFIG + "return later()",
        "hooks are synchronous: return the object itself",
        3,
    ),
    Case("agent_config failed: ... is invalid: ...", CONFIG + "return AgentConfig(max_steps=0)", line=4),
    Case(
        "model_settings: ...: there is no such key; ...",
        CONFIG + "return AgentConfig(model_settings={'temprature': 0.2})",
    ),
    Case("model_settings: ...: must be ...", CONFIG + "return AgentConfig(model_settings={'temperature': 'hot'})"),
    Case(
        "model_settings: ...: is decided by the platform, in its setting ...",
        CONFIG + "return AgentConfig(model_settings={'timeout': 3})",
    ),
    Case(
        "agent_config returned an invalid AgentConfig: ...",
        CONFIG + "return AgentConfig().model_copy(update={'max_steps': 0})",
        line=2,
    ),
    Case(
        "lifecycle_callbacks returned ..., it must return a LifecycleCallbacks",
        CALLBACKS + "object()",
        "derive object from LifecycleCallbacks",
        5,
    ),
    Case(
        "importing ... failed: TypeError: ...: there is no callback '...'; ...",
        IMPORTS + "class C(LifecycleCallbacks):\n    async def on_sesion_created(self, session): ...",
        line=2,
    ),
    Case(
        "the callback ... is a plain `def`",
        CALLBACKS + "C()\nclass C(LifecycleCallbacks):\n    def on_startup(self): ...",
        "write `async def on_startup`",
        9,
    ),
    Case(
        "the callback ... cannot be called with (...)",
        CALLBACKS + "C()\nclass C(LifecycleCallbacks):\n    async def on_user_turn(self, session): ...",
        "write `async def on_user_turn(self, session, turn)`",
        9,
    ),
    Case(
        "agent_config failed: AgentConfig is invalid: tools: two tools are called '...' (...): "
        "rename one of the functions",
        "def book(): ...\nbook_again = book\n" + TOOLS.format("book, book_again"),
        line=6,
    ),
    Case(
        "agent_config failed: AgentConfig is invalid: tools: ... is not a tool: pass a function, or a pydantic_ai.Tool",
        TOOLS.format("42"),
        line=4,
    ),
    Case(
        "the tool '...' cannot be offered to the model: ...",
        "class Guest: ...\n\ndef greet(guest: Guest): ...\n" + TOOLS.format("greet"),
        "give its parameters types that JSON has",
        3,
    ),
]

WARNINGS = {
    "tool ...: parameter ... has no type; the model is told nothing about it": Case(
        "", "def vague(x):\n    'Doc.'\n" + TOOLS.format("vague"), line=1
    ),
    "tool ... has no docstring; the model is told only its name": Case(
        "", "x = 1\ndef terse() -> str: ...\n" + TOOLS.format("terse"), line=2
    ),
    "importing it took ... s: import what is heavy where it is used": Case(""),
    "it declares no range of voice-host-sdk: add `voice-host-sdk>=1,<2`": Case("", requires=()),
}


def test_the_page_has_every_message_and_no_other() -> None:
    on_the_page = [
        row.split(" | ")[0].removeprefix("| ") for row in read("docs/reference/plugin-errors.md").split("\n")
    ]
    messages = {cell.strip()[1:-1] for cell in on_the_page if cell.startswith("`") and cell.endswith("`")}
    assert messages == {case.message for case in CASES} | WARNINGS.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.message)
async def test_a_message(plugins: PluginFolder, case: Case) -> None:
    module = plugins.install(
        "bad", case.code, attribute=case.attribute, requires=case.requires, module=case.module, distribution="bad-agent"
    )
    outcome = load("bad", title="x", other=1)
    if isinstance(outcome, LoadedAgent):
        outcome = await readied(outcome)
    assert isinstance(outcome, BrokenAgent), outcome
    assert matches(case.message, outcome.error), outcome.error
    assert case.hint in (outcome.hint or ""), outcome.hint
    assert bool(case.hint) == bool(outcome.hint), outcome.hint
    if case.line is not None:
        assert outcome.where == f"{module}/__init__.py:{case.line}"


@pytest.mark.parametrize("message", WARNINGS)
def test_a_warning(plugins: PluginFolder, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = WARNINGS[message]
    if "importing" in message:
        monkeypatch.setattr("voice_host.plugins.lifecycle.SLOW_IMPORT_MS", 0.0)
    module = plugins.install("odd", case.code, requires=case.requires)
    outcome = load("odd")
    assert isinstance(outcome, LoadedAgent), outcome
    [warning] = outcome.warnings
    assert matches(message, warning.partition(f" ({module}")[0]), warning
    if case.line is not None:
        assert warning.endswith(f"({module}/__init__.py:{case.line})")


def test_the_places_of_two_tools_of_one_name(plugins: PluginFolder) -> None:
    code = "def book(): ...\ndef make():\n    def book(): ...\n    return book\n"
    plugins.install("bad", code + TOOLS.format("book, make()"))
    assert "two tools are called 'book' (__init__.py:1 and __init__.py:3)" in broken_error("bad")


def test_a_config_is_not_changed_after_it_was_made(plugins: PluginFolder) -> None:
    plugins.install("bad", CONFIG + "config = AgentConfig()\n    config.title = 'Desk'\n    return config")
    assert "title: cannot be changed; pass it when creating the object" in broken_error("bad")


def test_a_setting_within_a_table_is_named_with_its_path(plugins: PluginFolder) -> None:
    plugins.install("bad", CONFIG + "return AgentConfig(title=settings['crm']['url'])")
    outcome = load("bad", crm={})
    assert isinstance(outcome, BrokenAgent)
    assert "[agent.bad.settings.crm] has no key 'url'" in outcome.error
    assert "VOICE_HOST_AGENT__BAD__SETTINGS__CRM__URL; the table is empty" in (outcome.hint or "")


def test_a_plugin_may_catch_a_missing_setting(plugins: PluginFolder) -> None:
    plugins.install("good", CONFIG + "try: settings['x']\n    except KeyError: return AgentConfig(title='caught')")
    outcome = load("good")
    assert isinstance(outcome, LoadedAgent)
    assert outcome.config.title == "caught"
    assert find("good").id == "good"


def matches(template: str, text: str) -> bool:
    return re.fullmatch(".+".join(re.escape(part) for part in template.split("...")), text) is not None


def broken_error(agent_id: str) -> str:
    outcome = load(agent_id)
    assert isinstance(outcome, BrokenAgent)
    return outcome.error


async def readied(loaded: LoadedAgent) -> BrokenAgent | AgentRuntime:
    settings = Settings()
    models, speech = ModelRegistry(settings), SpeechServices(settings)
    try:
        prepared = prepare(loaded, settings, models, speech)
        return prepared if isinstance(prepared, BrokenAgent) else prepared.runtime
    finally:
        await speech.aclose()
        await models.aclose()
