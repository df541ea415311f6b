"""No test reads, sets or replaces what is private to the product: tests observe it from outside, or by an argument."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.docs.test_reference import OVERRIDABLE  # what a platform may override, and so a test

PRODUCT = [ROOT / "host/src", ROOT / "sdk/src"]
TESTS = [ROOT / "tests", ROOT / "typing_tests", ROOT / "example_agent_plugin/tests"]

NOT_OURS = {"client._client", "http._http_client"}
"""What is private to a library, under a name that the product has, too."""

REPLACING = {"setattr", "getattr", "hasattr", "delattr", "patch", "object"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def python_files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.rglob("*.py"))


def defined(tree: ast.AST) -> set[str]:
    """Return the private names that a file gives to functions, classes, variables and attributes."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    return set(filter(is_private, names))


def defined_for_itself(tree: ast.AST) -> set[str]:
    """As `defined`, of what a file's own functions and classes have."""
    stored_elsewhere = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not of_itself(node)
    }
    return defined(tree) - stored_elsewhere


def of_itself(node: ast.Attribute) -> bool:
    """Whether it is read from or set on the object whose method does so."""
    match node.value:
        case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")):
            return True
    return False


def uses(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the private names that are used of something else, and the code that does so."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if is_private(name):
                yield name, ast.unparse(node)
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("voice_host"):
                for name in [*module.split("."), *(alias.name for alias in names)]:
                    if is_private(name):
                        yield name, ast.unparse(node)
            case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called), args=args) if called in REPLACING:
                for argument in args:
                    match argument:
                        case ast.Constant(value=str(path)) if is_private(name := path.rpartition(".")[2]):
                            yield name, ast.unparse(node)


def overrides(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the private methods that are defined in a class whose base is the product's."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = {alias.name for node in imports if (node.module or "").startswith("voice_host") for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id in ours for base in node.bases
        ):
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and is_private(method.name):
                    yield method.name, f"class {node.name}: def {method.name}"


def test_no_test_uses_what_is_private_to_the_product() -> None:
    private = set().union(*(defined(ast.parse(file.read_text("utf-8"))) for file in python_files(PRODUCT)))
    assert len(private) > 1000
    found = []
    for file in python_files(TESTS):
        tree = ast.parse(file.read_text("utf-8"))
        theirs = private - defined_for_itself(tree) - OVERRIDABLE
        found += [
            f"{file.relative_to(ROOT)}: {code}" for name, code in uses(tree) if name in theirs and code not in NOT_OURS
        ]
        found += [
            f"{file.relative_to(ROOT)}: {code}" for name, code in overrides(tree) if name in private - OVERRIDABLE
        ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "call._socket.put(frame)",
        "handler._speech = None",
        "from voice_host.dev.child import _services",
        "monkeypatch.setattr(moonshine, '_model', None)",
        "monkeypatch.setattr('voice_host.call.Call._reply', None)",
        "class Loud(Utterance):\n    def speak(self):\n        return self._word_audio",
    ],
)
def test_such_a_use_is_found(code: str) -> None:
    tree = ast.parse(code)
    assert [name for name, _ in uses(tree) if name not in defined_for_itself(tree)]


def test_an_override_is_found() -> None:
    code = "from voice_host import Handler\n\nclass Mute(Handler):\n    async def _open_voice(self, call): ...\n"
    assert [name for name, _ in overrides(ast.parse(code))] == ["_open_voice"]


def test_a_class_of_the_tests_may_have_private_attributes() -> None:
    tree = ast.parse("class Script:\n    def __init__(self):\n        self._steps = []\n\nscript._steps.clear()")
    assert not [name for name, _ in uses(tree) if name not in defined_for_itself(tree)]
