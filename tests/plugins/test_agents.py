"""From metadata to a configuration: what works."""

import sys

import pytest

from tests.plugins.finding import broken, loaded
from tests.sample_plugins import HELLO, PluginFolder
from voice_host.plugins import BrokenAgent, LoadedAgent, load_agents
from voice_host.settings import load_settings
from voice_host_sdk import LifecycleCallbacks


def test_an_agent_is_loaded_with_its_settings(plugins: PluginFolder) -> None:
    plugins.install("hello", distribution="hello-agent")
    agent = loaded("hello", greeting="Good evening")
    assert (agent.id, agent.discovered.distribution) == ("hello", "hello-agent")
    assert (agent.config.title, agent.config.greeting) == ("Hello", "Good evening")
    assert type(agent.callbacks) is LifecycleCallbacks
    assert agent.import_ms > 0
    assert agent.warnings == ()


def test_an_entry_point_may_name_an_object(plugins: PluginFolder) -> None:
    code = """
    from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

    class Callbacks(LifecycleCallbacks):
        pass

    class Plugin:
        @hookimpl
        def agent_config(self):
            return AgentConfig(title="An object")

        @hookimpl
        def lifecycle_callbacks(self, settings):
            return Callbacks()

    plugin = Plugin()
    """
    plugins.install("object", code, attribute="plugin")
    agent = loaded("object")
    assert agent.config.title == "An object"
    assert type(agent.callbacks).__name__ == "Callbacks"


def test_two_agents_of_one_distribution_do_not_see_each_other(plugins: PluginFolder) -> None:
    plugins.install("one")
    plugins.install("two", HELLO.replace('"Hello"', '"Two"'))
    assert (loaded("one").config.title, loaded("two").config.title) == ("Hello", "Two")


def test_hooks_cannot_change_the_settings(plugins: PluginFolder) -> None:
    plugins.install("hello", HELLO.replace("return", "settings['a']['b'] = 1; return"))
    assert "TypeError: 'mappingproxy' object does not support item assignment" in broken("hello", a={}).error


def test_a_slow_import_is_flagged(plugins: PluginFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_host.plugins.lifecycle.SLOW_IMPORT_MS", 0.0)
    plugins.install("hello")
    [warning] = loaded("hello").warnings
    assert warning.startswith("importing it took ")


def test_an_agent_that_declares_no_sdk_runs_with_a_warning(plugins: PluginFolder) -> None:
    plugins.install("hello", requires=())
    [warning] = loaded("hello").warnings
    assert "declares no range of voice-host-sdk" in warning


def test_only_allowed_agents_are_loaded(plugins: PluginFolder) -> None:
    plugins.install("allowed")
    forbidden = plugins.install("forbidden")
    settings = load_settings(
        environ={"VOICE_HOST_AGENTS__ALLOW": "allowed", "VOICE_HOST_AGENT__ALLOWED__SETTINGS__GREETING": "Mine"}
    )
    [agent] = load_agents(settings)
    assert isinstance(agent, LoadedAgent)
    assert agent.config.greeting == "Mine"
    assert agent.id == "allowed"
    assert forbidden not in sys.modules


def test_a_broken_agent_leaves_the_others_alone(plugins: PluginFolder) -> None:
    plugins.install("bad", "import sys; sys.exit(3)")
    plugins.install("good")
    settings = load_settings(environ={"VOICE_HOST_AGENTS__ALLOW": "bad,good"})
    bad, good = load_agents(settings)
    assert isinstance(bad, BrokenAgent)
    assert isinstance(good, LoadedAgent)
    assert (bad.id, good.id) == ("bad", "good")
