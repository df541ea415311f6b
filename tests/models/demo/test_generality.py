"""The demo model knows no agent: what only the example agent speaks of does not stand in its code."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from example_agent_plugin import agent_config
from tests.docs.markdown import ROOT
from voice_host.models.demo.words import content_of, listed, stem

EVERYDAY = set(
    listed("""
    after answer answers ask asks before bye call caller caller's callers check come day end find goodbye hang hour look
    make many missing name number people phone pm reference repeat say session sit telephone tell time week whether
    monday tuesday wednesday thursday friday saturday sunday""")
)
"""Words of the example that belong to English at large: to days, numbers, names and calls, and to what tools do.

"Sit" is the stem of "site".
"""


def words_of_the_example() -> set[str]:
    config = agent_config({})
    texts = [config.title, config.description, config.instructions]
    for tool in config.tools:
        texts += [tool.__name__.replace("_", " "), inspect.getdoc(tool) or "", *inspect.signature(tool).parameters]
    return {stem(word) for text in texts for word in content_of(text)} - set(map(stem, EVERYDAY))


def words_in(file: Path) -> set[str]:
    """Return the words of a module's literals; docstrings show examples and may have any word."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    literals = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
    texts = [node.value.lower() for node in literals if isinstance(node.value, str)]
    return {stem(word) for text in texts for word in re.findall(r"[a-z]+", text)}


def test_the_words_of_the_example_agent_are_not_in_the_model() -> None:
    files = list((ROOT / "host/src/voice_host/models/demo").glob("*.py"))
    known = set().union(*map(words_in, files))
    assert "confirm" not in known  # it stands in docstrings alone
    assert "cancel" in known
    assert words_of_the_example() & known == set()
