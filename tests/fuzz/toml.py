"""Files of settings as chance makes them: right keys with wrong values, wrong keys, references, odd text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from voice_host.settings.agent import AgentSettings
from voice_host.settings.model import AuthSettings, Tables

SECRET = "PLANTED-secret-9f2c"
"""What `SECRET_VARIABLE` and `SECRET_FILE` hold: it must not come out anywhere."""

SECRET_VARIABLE = "THE_SECRET"
SECRET_FILE = "secret.txt"

ODD = ["", " ", "[key]", "a.b", "__", "-", "é", "\u2028", "\x00", "\x7f", "\U0001f600", "a" * 200, "env", "file"]


def written(table: Mapping[str, Any]) -> str:
    """Return a table as TOML."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text(key)} = {_value(inner)}' for key, inner in value.items())}}}"
    return str(value.isoformat())


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def keys_of(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


texts = st.one_of(st.text(max_size=12), st.sampled_from([*ODD, "*", "https://x.example", "http://[", "1e9", "true"]))
keys = st.one_of(st.text(max_size=6), st.sampled_from(ODD))
names = st.one_of(st.sampled_from(["a", "a-b", "front-desk", "a--b", "Front_Desk"]), keys)
secret_references = st.sampled_from([{"env": SECRET_VARIABLE}, {"file": SECRET_FILE}])
references = st.one_of(
    secret_references,
    st.fixed_dictionaries({"env": texts}),
    st.fixed_dictionaries({"file": st.one_of(texts, st.sampled_from(["/", "..", "/dev/null", "no/such"]))}),
    st.fixed_dictionaries({"env": st.integers()}),
)
numbers = st.one_of(
    st.integers(),
    st.integers(-3, 70000),
    st.floats(),
    st.sampled_from([2**63, -(2**63), 10**400, 0, -0.0, float("inf"), float("nan")]),
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(numbers, st.booleans(), texts, references, st.dates(), st.times(), st.datetimes()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)


SECRET_KEYS = ["api_key", "token", "token_secret", "a_password"]
free = st.builds(
    lambda table, hidden: {**table, **hidden},
    st.dictionaries(keys, values, max_size=2),
    st.dictionaries(st.sampled_from(SECRET_KEYS), st.one_of(st.just(SECRET), st.just([SECRET]), values), max_size=2),
)
"""Tables that the host hands on as they are. Text under keys that are named like secrets is secret."""


def _table(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """A table with some of its keys, most with a value of any kind, and now and then a key that does not exist."""
    named = st.sampled_from([*keys_of(model), *(SECRET_KEYS if model is AuthSettings else ())])
    own = st.dictionaries(st.one_of(named, keys), st.one_of(values, free), max_size=3)
    return st.one_of(own, own, values)


def _part(name: str) -> st.SearchStrategy[Any]:
    if name == "agent":
        return st.dictionaries(names, _table(AgentSettings), max_size=2)
    if name == "extension":
        return st.dictionaries(names, st.one_of(free, values), max_size=2)
    return _table(type(getattr(Tables(), name)))


files = st.fixed_dictionaries(
    {}, optional={**{name: st.one_of(_part(name), _part(name), values) for name in keys_of(Tables)}, "[key]": values}
)
