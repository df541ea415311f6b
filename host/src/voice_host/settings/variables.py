"""How keys are spelled as environment variables: `[agent.front-desk] model` is `VOICE_HOST_AGENT__FRONT_DESK__MODEL`.

Tables are separated by two underscores, hyphens become underscores. Agent ids contain no underscore, so a spelling
leads back to one id, with one exception: `a--b` and `a-` are spelled with the separator itself. See `colliding_ids`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from pydantic import BaseModel

from voice_host.settings.environment import Environment
from voice_host.settings.errors import Problem, did_you_mean, suggestion
from voice_host.settings.model import AgentSettings, ModelKeys, Tables
from voice_host.settings.provenance import KeyPath
from voice_host.settings.retired import RETIRED
from voice_host.settings.secrets import NOT_UTF8, is_utf8
from voice_host.settings.services import built_in_services

PREFIX = "VOICE_HOST_"
AGENT_PREFIX = f"{PREFIX}AGENT__"
EXTENSION_PREFIX = f"{PREFIX}EXTENSION__"
NAMED = ("agent", "extension")
"""Tables of tables, one for each agent or extension: their keys are not fixed."""

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
TOKEN_VARIABLE = f"{PREFIX}TOKEN"
"""What `voice-host call` shows to a host that asks who is calling. No setting."""
SEPARATOR = "__"


def spelling(name: str) -> str:
    """Return a key or an agent id as it stands in a variable's name."""
    return name.replace("-", "_").upper()


def variable_name(path: KeyPath) -> str:
    """Return the variable of a setting."""
    return PREFIX + SEPARATOR.join(spelling(part) for part in path)


def colliding_ids(ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of ids that variables cannot tell apart.

    `a` and `a--model` collide: `VOICE_HOST_AGENT__A__MODEL` may begin either of their keys.
    """
    return [
        (first, second)
        for first, second in combinations(sorted(set(ids), key=lambda name: (len(name), name)), 2)
        if (spelling(second) + SEPARATOR).startswith(spelling(first) + SEPARATOR)
    ]


def service_variables() -> list[str]:
    """Return the variables of speech services and language models: keys and addresses."""
    models: list[type[BaseModel]] = [*(service.options for service in built_in_services()), ModelKeys]
    return list(dict.fromkeys(field.alias for each in models for field in each.model_fields.values() if field.alias))


class VariableReader:
    """Turns the `VOICE_HOST_...` variables into paths and texts.

    Args:
        agent_ids: the ids that the settings name elsewhere; any other is read up to the next separator.
        extensions: the names of extensions that the settings name elsewhere.
        ignore: variables that are something else, such as those a `{ env = ... }` refers to.
    """

    def __init__(self, agent_ids: Iterable[str], extensions: Iterable[str], ignore: Iterable[str]) -> None:
        self._agent_ids = sorted(agent_ids, key=len, reverse=True)
        self._extensions = sorted(extensions, key=len, reverse=True)
        self._fixed = {variable_name(path): path for path in leaf_paths(Tables) if path[0] not in NAMED}
        self._retired = {variable_name(path): path for path in RETIRED}
        self._agent_keys = {SEPARATOR.join(map(spelling, path)): path for path in leaf_paths(AgentSettings)}
        self._ignore = {CONFIG_VARIABLE, TOKEN_VARIABLE, *service_variables(), *ignore}
        self.problems: list[Problem] = []

    def read(self, environment: Environment) -> Iterator[tuple[str, KeyPath, str]]:
        """Yield `(variable, path, text)` and note unknown variables as problems. Empty variables count as unset.

        The path of something in a free table (`free_keys`) ends in spellings (`"MAX_GUESTS"`), for which the caller
        has to find the keys.
        """
        variables = environment.variables
        for name in sorted(variables):
            if not name.startswith(PREFIX) or name in self._ignore or not variables[name]:
                continue
            path = self._path(name)
            if not is_utf8(name + variables[name]):
                self.problems.append(Problem(name.encode(errors="backslashreplace").decode(), NOT_UTF8))
            elif path is None:
                self.problems.append(
                    Problem(environment.where(name), f"there is no such variable; {self._meant(name)}")
                )
            else:
                yield name, path, variables[name]

    def _path(self, name: str) -> KeyPath | None:
        if name.startswith(AGENT_PREFIX):
            return self._agent_path(name)
        if name.startswith(EXTENSION_PREFIX):
            return self._extension_path(name)
        return self._fixed.get(name) or self._retired.get(name)

    def _extension_path(self, name: str) -> KeyPath | None:
        extension, keys = _split(name.removeprefix(EXTENSION_PREFIX), self._extensions)
        return ("extension", extension, *keys.split(SEPARATOR)) if extension and keys else None

    def _agent_path(self, name: str) -> KeyPath | None:
        agent_id, rest = _split(name.removeprefix(AGENT_PREFIX), self._agent_ids)
        if rest in self._agent_keys and rest != "SETTINGS":
            return ("agent", agent_id, *self._agent_keys[rest])
        table, _, keys = rest.partition(SEPARATOR)
        if table == "SETTINGS" and keys:
            return ("agent", agent_id, "settings", *keys.split(SEPARATOR))
        return None

    def _meant(self, name: str) -> str:
        if name.startswith(EXTENSION_PREFIX):
            return f"write {EXTENSION_PREFIX}<NAME>{SEPARATOR}<KEY>"
        if not name.startswith(AGENT_PREFIX):
            of_one = name.replace("S__", SEPARATOR, 1)
            if self._path(of_one):  # VOICE_HOST_AGENTS__FRONT_DESK__MODEL
                return f"did you mean {of_one}?"
            close = suggestion(name, [*self._fixed, *service_variables(), CONFIG_VARIABLE])
            return f"did you mean {close}?" if close else "`voice-host config` lists the settings"
        agent_id, key = _split(name.removeprefix(AGENT_PREFIX), self._agent_ids)
        begin = f"{AGENT_PREFIX}{spelling(agent_id)}{SEPARATOR}"
        known = [begin + end for end in self._agent_keys if end != "SETTINGS"]
        return did_you_mean(begin + key, [*known, f"{begin}SETTINGS__..."])


def _split(rest: str, known: Iterable[str]) -> tuple[str, str]:
    """Return the name that `rest` begins with, one of `known` if it can be, and the spelled key behind it."""
    for name in known:
        begin = spelling(name) + SEPARATOR
        if rest.startswith(begin):
            return name, rest.removeprefix(begin)
    spelled, _, key = rest.partition(SEPARATOR)
    return spelled.lower().replace("_", "-"), key


def leaf_paths(model: type[BaseModel]) -> Iterator[KeyPath]:
    """Yield the path of every key of a table and the tables within it."""
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from ((name, *path) for path in leaf_paths(inner))
        else:
            yield (name,)
