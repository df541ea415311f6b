"""Which of its settings a plugin has asked for, however it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from voice_host.settings import AskedKeys, MissingSetting, plugin_table
from voice_host.settings.plugin_table import MOST_KEYS

VALUES = {"name": "Ada", "db": {"host": "here", "prt": 5}, "many": ({"a": 1},)}
Settings = Mapping[str, Any]


def take_everything(settings: Settings) -> None:
    """The way into a function: `take(**settings)`."""

    def take(**taken: Any) -> None:
        assert taken["name"] == "Ada"

    take(**settings)


@pytest.mark.parametrize(
    ("read", "unread"),
    [
        (lambda s: None, {"name", "db", "many"}),
        (lambda s: s["name"], {"db", "many"}),
        (lambda s: s.get("name"), {"db", "many"}),
        (lambda s: "name" in s, {"db", "many"}),
        (lambda s: s["db"], {"name", "many", "db.host", "db.prt"}),
        (lambda s: s["db"]["host"], {"name", "many", "db.prt"}),
        (lambda s: (s["db"].get("port"), s["many"], s["name"]), {"db.host", "db.prt"}),
        (dict, {"db.host", "db.prt"}),
        (take_everything, {"db.host", "db.prt"}),
        (lambda s: {**s}, {"db.host", "db.prt"}),
        (lambda s: list(s.items()), {"db.host", "db.prt"}),
        (lambda s: list(s.values()), {"db.host", "db.prt"}),
        (list, {"db.host", "db.prt"}),
        (lambda s: s | {"more": 1}, {"db.host", "db.prt"}),
        (lambda s: s.copy(), {"db.host", "db.prt"}),
        (repr, {"name", "db", "many"}),
        (len, {"name", "db", "many"}),
    ],
)
def test_what_was_not_asked_for_is_known(read: Callable[[Settings], Any], unread: set[str]) -> None:
    asked = AskedKeys()
    settings = plugin_table(("agent", "a", "settings"), VALUES, asked)
    read(settings)
    found = {".".join(path[3:]) for path, _ in asked.unread(("agent", "a", "settings"), VALUES)}
    assert found == unread
    assert dict(settings) == dict(VALUES), "and everything reads as it is"


def test_the_key_that_was_meant_is_one_that_is_asked_for_and_not_there() -> None:
    asked = AskedKeys()
    settings = plugin_table(("agent", "a", "settings"), {"greting": "Hi", "color": "red"}, asked)
    assert settings.get("greeting", "") == ""
    assert dict(asked.unread(("agent", "a", "settings"), {"greting": "Hi", "color": "red"})) == {
        ("agent", "a", "settings", "greting"): "did you mean 'greeting'?",
        ("agent", "a", "settings", "color"): "it reads greeting",
    }
    with pytest.raises(MissingSetting):
        settings["town"]


def test_keys_that_are_made_up_during_calls_are_not_all_remembered() -> None:
    asked = AskedKeys()
    settings = plugin_table((), {}, asked)
    for number in range(2 * MOST_KEYS):
        settings.get(str(number))
    assert dict(asked.unread((), {"x": 1}))[("x",)].count(",") < MOST_KEYS
