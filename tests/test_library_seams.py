"""The host extends classes of libraries beyond what is documented: this fails where a release has changed them."""

from __future__ import annotations

import ast
import inspect
from importlib.metadata import requires, version
from textwrap import dedent

import pytest
import uvicorn
from packaging.requirements import Requirement
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection

from tests.docs.test_rooms import HOST

SEAM = [
    ("clients/transport/web_socket.py", "CallProtocol", WebSocketsSansIOProtocol),
    ("front/connections.py", "BoundedCallProtocol", WebSocketsSansIOProtocol),
    ("front/connections.py", "DeadlineHTTPProtocol", H11Protocol),
    ("front/http_protocol.py", "PacedHTTPProtocol", H11Protocol),
    ("front/http_protocol.py", "_NotifyingFlow", FlowControl),
    ("front/process.py", "HostServer", uvicorn.Server),
    ("speech/service_socket.py", "ServiceConnection", ClientConnection),
]
"""Classes of the host, with their file and the class of the library beneath."""


ADDED = {"begin_with", "is_handed_over", "send_all"}
"""What the host's classes add under a public name; everything else of their own begins with an underscore."""


def defined(tree: ast.AST) -> set[str]:
    """Return the methods of a class, and the attributes that it sets."""
    return {
        node.attr if isinstance(node, ast.Attribute) else node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self")
    }


def read(tree: ast.AST) -> set[str]:
    """Return what a class reads of itself and of its base."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in attributes if ast.unparse(node.value) in ("self", "super()")}


@pytest.mark.parametrize(("file", "name", "base"), SEAM, ids=[name for _, name, _ in SEAM])
def test_the_library_has_what_is_used_of_it(file: str, name: str, base: type) -> None:
    module = ast.parse((HOST / file).read_text(encoding="utf-8"))
    [overriding] = [node for node in ast.walk(module) if isinstance(node, ast.ClassDef) and node.name == name]
    offered = set(dir(base))
    for parent in base.__mro__[:-1]:
        if parent.__module__.startswith(("uvicorn", "websockets", "asyncio")):
            offered |= defined(ast.parse(dedent(inspect.getsource(parent))))
    own = {each for each in defined(overriding) if each.startswith("_")} - {"__init__"}
    assert (defined(overriding) | read(overriding)) - own - ADDED - offered == set()
    assert own & offered == set(), "two attributes of one name"


def test_every_class_beneath_which_is_uvicorns_is_looked_at() -> None:
    for file in HOST.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        if "from uvicorn.protocols.http" in source or "from uvicorn.protocols.websockets" in source:
            assert file.relative_to(HOST).as_posix() in {each for each, _, _ in SEAM}


@pytest.mark.parametrize("library", ["uvicorn", "websockets"])
def test_no_release_that_was_not_looked_at_is_installed(library: str) -> None:
    [needed] = [each for each in map(Requirement, requires("voice-host") or []) if each.name == library]
    assert needed.specifier.contains(version(library))
    assert any(each.operator == "<" for each in needed.specifier)
