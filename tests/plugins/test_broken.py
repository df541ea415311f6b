"""Every way in which an agent can be broken: its phase, its error, what to do about it. Nothing is ever raised."""

import signal

import pytest

from tests.plugins.finding import broken
from tests.sample_plugins import HELLO, PluginFolder
from voice_host.plugins import InvalidReturn, Phase, valid_config
from voice_host.settings import SecretText
from voice_host_sdk import AgentConfig, TTSConfig, TurnConfig

IMPORTS = "from voice_host_sdk import AgentConfig, LifecycleCallbacks, TTSConfig, hookimpl\n"
CONFIG = IMPORTS + "\n@hookimpl\ndef agent_config(settings):\n    "
CALLBACKS = CONFIG + "return AgentConfig()\n\n@hookimpl\ndef lifecycle_callbacks(settings):\n    "


@pytest.mark.parametrize(
    ("code", "phase", "error", "hint"),
    [
        ("import not_there", Phase.IMPORTED, "ModuleNotFoundError: No module named 'not_there'", "does not declare"),
        ("def f(:", Phase.IMPORTED, "SyntaxError", None),
        ("import sys; sys.exit('bye')", Phase.IMPORTED, "it called sys.exit('bye')", "never ends the process"),
        ("class Odd(BaseException): pass\nraise Odd('x')", Phase.IMPORTED, "Odd: x", None),
        ("import asyncio\nraise asyncio.CancelledError", Phase.IMPORTED, "CancelledError", None),
        (
            IMPORTS + "class C(LifecycleCallbacks):\n    async def on_sesion_created(self, s): ...",
            Phase.IMPORTED,
            "there is no callback 'on_sesion_created'; did you mean 'on_session_created'?",
            None,
        ),
        ("", Phase.REGISTERED, "the hook 'agent_config' is missing", "add `@hookimpl`"),
        ("def agent_config(settings): ...", Phase.REGISTERED, "agent_config is not marked as a hook", "put @hookimpl"),
        (
            HELLO.replace("agent_config", "agent_confg"),
            Phase.REGISTERED,
            "there is no hook 'agent_confg'",
            "did you mean 'agent_config'?",
        ),
        (
            HELLO.replace("def", "async def"),
            Phase.REGISTERED,
            "the hook 'agent_config' is an `async def`",
            "plain `def`",
        ),
        (
            HELLO.replace("(settings)", "(setings)"),
            Phase.REGISTERED,
            "the hook 'agent_config' takes the argument 'setings'",
            "hooks take `settings`, or nothing",
        ),
        (CONFIG + "raise ValueError('no menu')", Phase.CONFIGURED, "agent_config failed: ValueError: no menu", None),
        (CONFIG + "raise SystemExit", Phase.CONFIGURED, "agent_config failed: it called sys.exit()", "raise an"),
        (CONFIG + "return None", Phase.CONFIGURED, "agent_config returned None", "`return` missing"),
        (CONFIG + "return {'title': 'x'}", Phase.CONFIGURED, "agent_config returned a dict", "AgentConfig(**the_dict)"),
        (CONFIG + "return AgentConfig", Phase.CONFIGURED, "returned the class AgentConfig", "`AgentConfig()`"),
        (
            IMPORTS + "async def later(): ...\n@hookimpl\ndef agent_config():\n    return later()",
            Phase.CONFIGURED,
            "agent_config returned a coroutine",
            "hooks are synchronous",
        ),
        (
            CONFIG + "return AgentConfig(titel='x')",
            Phase.CONFIGURED,
            "AgentConfig is invalid: titel: there is no such key; did you mean 'title'?",
            None,
        ),
        (
            CONFIG + "return AgentConfig(tts_config={'top_p': 3})",
            Phase.CONFIGURED,
            "tts_config.top_p: must be a number greater than 0 and at most 1, not 3",
            None,
        ),
        (
            CONFIG + "return AgentConfig(tts_config=TTSConfig(sample_rate=1))",
            Phase.CONFIGURED,
            "TTSConfig is invalid: sample_rate: must be a whole number from 8000 to 48000, not 1",
            None,
        ),
        (
            CONFIG + "return AgentConfig().model_copy(update={'max_steps': 0})",
            Phase.CONFIGURED,
            "agent_config returned an invalid AgentConfig: max_steps: must be a whole number from 1 to 100, not 0",
            None,
        ),
        (
            CALLBACKS + "return LifecycleCallbacks",
            Phase.CONFIGURED,
            "the class LifecycleCallbacks",
            "return an instance",
        ),
        (CALLBACKS + "return None", Phase.CONFIGURED, "lifecycle_callbacks returned None", "`return` missing"),
        (
            CALLBACKS + "return object()",
            Phase.CONFIGURED,
            "returned an object",
            "derive object from LifecycleCallbacks",
        ),
        (
            "from pydantic import BaseModel, ConfigDict\n"
            "class Own(BaseModel):\n    model_config = ConfigDict(extra='forbid')\n    region: str\n"
            + CONFIG
            + "return Own(x=1)",
            Phase.CONFIGURED,
            "agent_config failed: Own is invalid: region: is missing; x: there is no such key",
            None,
        ),
        (
            IMPORTS
            + "class Mine(AgentConfig):\n    handler: type = int\n    odd: complex = 1j\n"
            + "@hookimpl\ndef agent_config():\n    return Mine().model_copy(update={'max_steps': 0})",
            Phase.CONFIGURED,
            "agent_config returned an invalid AgentConfig: max_steps: must be ",
            None,
        ),
        ("class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd", Phase.IMPORTED, "failed: Odd", None),
        (
            "def __getattr__(name): raise SystemExit(name)",
            Phase.CONFIGURED,
            "it called sys.exit('agent_config')",
            "raise",
        ),
        (CALLBACKS + "raise KeyError('x')", Phase.CONFIGURED, "lifecycle_callbacks failed: KeyError: 'x'", None),
        (
            CALLBACKS + "return C()\nclass C(LifecycleCallbacks):\n    def on_startup(self): ...",
            Phase.CONFIGURED,
            "the callback C.on_startup is a plain `def`",
            "write `async def on_startup`",
        ),
    ],
)
@pytest.mark.fault("plugin: cannot be loaded")
def test_a_broken_agent(plugins: PluginFolder, code: str, phase: Phase, error: str, hint: str | None) -> None:
    plugins.install("bad", code)
    outcome = broken("bad")
    assert outcome.phase is phase
    assert error in outcome.error
    assert hint in (outcome.hint or "") if hint else outcome.hint is None
    assert "Traceback" not in str(outcome)


def test_an_entry_point_that_names_nothing(plugins: PluginFolder) -> None:
    plugins.install("bad", attribute="nothing")
    outcome = broken("bad")
    assert outcome.phase is Phase.IMPORTED
    assert "has no attribute 'nothing'" in outcome.error


def test_an_entry_point_that_names_a_class(plugins: PluginFolder) -> None:
    plugins.install("bad", "class Plugin: ...", attribute="Plugin")
    outcome = broken("bad")
    assert (outcome.phase, outcome.error) == (Phase.REGISTERED, "the entry point names the class Plugin")


def test_the_place_in_the_agents_own_code_is_named(plugins: PluginFolder) -> None:
    module = plugins.install("bad", "import json\n\ndef read():\n    json.loads('{')\n\nread()\n")
    assert broken("bad").where == f"{module}/__init__.py:4"
    module = plugins.install("bad-syntax", "x = 1\ndef f(:\n")
    assert broken("bad-syntax").where == f"{module}/__init__.py:2"


def test_secrets_of_the_settings_do_not_show_up_in_the_error(plugins: PluginFolder) -> None:
    plugins.install("bad", CONFIG + "raise RuntimeError('cannot log in with ' + settings['crm'])")
    outcome = broken("bad", crm=SecretText("hunter-2"))
    assert outcome.error == "agent_config failed: RuntimeError: cannot log in with ********"


def test_a_secret_at_the_cut_does_not_show_its_beginning(plugins: PluginFolder) -> None:
    plugins.install("bad", CONFIG + "raise RuntimeError('x' * 245 + settings['crm'] + 'x' * 99)")
    assert "hunter" not in broken("bad", crm=SecretText("hunter-2" * 9)).error


def test_a_long_error_is_cut(plugins: PluginFolder) -> None:
    plugins.install("bad", "raise RuntimeError('x' * 5000 + '\\nsecond line')")
    error = broken("bad").error
    assert len(error) < 400
    assert "\n" not in error


def test_the_users_interrupt_passes(plugins: PluginFolder) -> None:
    plugins.install("bad", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n[None for _ in range(10**6)]")
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        broken("bad")
    assert signal.getsignal(signal.SIGINT) == handler


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "GeneratorExit", "type('Panic', (BaseException,), {})"])
def test_what_is_no_exception_is_the_plugins_own(plugins: PluginFolder, raised: str) -> None:
    plugins.install("bad", f"raise {raised}")
    outcome = broken("bad")
    assert outcome.phase is Phase.IMPORTED
    assert raised.strip("'()")[:5] in outcome.error or "Panic" in outcome.error


def test_a_valid_config_keeps_tools_and_inner_models() -> None:
    def opening_hours() -> str:
        return "always"

    config = AgentConfig(tools=(opening_hours,), tts_config=TTSConfig(voice="leo"), turns=TurnConfig(barge_in=False))
    assert valid_config(config) == config
    assert valid_config(config).tools[0] is opening_hours


def test_an_inner_model_is_validated_again_too() -> None:
    tts_config = TTSConfig().model_copy(update={"sample_rate": 1})
    with pytest.raises(InvalidReturn, match=r"tts_config\.sample_rate"):
        valid_config(AgentConfig().model_copy(update={"tts_config": tts_config}))
