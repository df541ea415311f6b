"""What a new agent may be called."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sample_plugins import PluginFolder, plugin_folder
from voice_host.scaffold import NameRefused, Names, names_for


def refused(name: str) -> NameRefused:
    with pytest.raises(NameRefused) as refusal:
        names_for(name)
    return refusal.value


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[PluginFolder]:
    with plugin_folder(tmp_path) as folder:
        yield folder


def test_one_name_gives_id_package_and_title() -> None:
    assert names_for("ice-cream-2") == Names("ice-cream-2", "ice_cream_2", "Ice cream 2")


@pytest.mark.parametrize(
    ("name", "why", "instead"),
    [
        ("Ice Cream!", "not an agent id", "ice-cream"),
        ("x" * 64, "not an agent id", "x" * 63),
        ("../up", "not an agent id", "up"),
        ("ice_cream", "not an agent id", "ice-cream"),
        ("a--b", "no '--'", "a-b"),
        ("hello-", "no '-' at the end", "hello"),
        ("7up", "begins with a digit", "agent-7up"),
        ("class", "keyword of Python", "class-agent"),
        ("json", "standard library", "json-agent"),
        ("tests", "own tests", "tests-agent"),
        ("rich", "the distribution rich", "rich-agent"),
        ("voice-host", "the distribution voice-host", "voice-host-agent"),
        ("jwt", "can import 'jwt'", "jwt-agent"),
        ("front-desk", "the agent 'front-desk' is installed here, from voice-agent-example", "front-desk-agent"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_one_that_can(name: str, why: str, instead: str) -> None:
    refusal = refused(name)
    assert why in str(refusal)
    assert refusal.hint == f"try `voice-host new {instead}`"


def test_the_name_that_is_suggested_is_free_itself(plugins: PluginFolder) -> None:
    plugins.install("hello")
    plugins.install("hello-agent")
    assert refused("hello").hint == "try `voice-host new agent-hello`"


def test_nothing_is_imported_to_find_out(plugins: PluginFolder) -> None:
    module = plugins.install("crash", "raise SystemExit('imported')")
    assert "is installed here" in str(refused(module.replace("_", "-")))
    assert module not in sys.modules


def test_nothing_can_be_suggested_for_a_name_without_letters() -> None:
    assert refused("!!!").hint == "choose another name"
