"""Loads the settings from file, variables and options, and reports all problems at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from voice_host.settings.environment import Environment, export, process_environment
from voice_host.settings.errors import Problem, SettingsError
from voice_host.settings.explain import FieldProblem, explain
from voice_host.settings.layers import Layers
from voice_host.settings.model import AgentsSettings, ExtensionsSettings, ModelKeys, Settings, Tables
from voice_host.settings.provenance import Provenance
from voice_host.settings.retired import RETIRED
from voice_host.settings.secrets import NOT_UTF8, is_utf8, references
from voice_host.settings.services import ServiceOptions, built_in_services
from voice_host.settings.variables import (
    CONFIG_VARIABLE,
    PREFIX,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    VariableReader,
    colliding_ids,
    service_variables,
)
from voice_host_sdk import AGENT_ID_PATTERN

_Model = TypeVar("_Model", bound=BaseModel)

DEFAULT_FILE = "voice-host.toml"

MAX_DEPTH = 32
"""Limit on the nesting of tables and lists. Python's own limit raises an error that does not mention the file."""

_OPTIONS = {"agents.allow": "--agents"}
"""Options whose names differ from the keys they set."""


def load_settings(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings.

    The file is `path`, else the one that `VOICE_HOST_CONFIG` names, else `./voice-host.toml` if it exists. Variables
    take precedence over the file, and options over both. An empty variable counts as unset.

    Args:
        path: the file given by `--config`.
        environ: the environment; None: that of the process, with `.env` of the working directory. Variables of that
            file that are not settings are added to `os.environ`, where model providers read theirs.
        options: command-line options by dotted key, such as `{"server.port": 9000}`. None values are ignored.

    Raises:
        SettingsError: a file cannot be read, or a value in it, in a variable or in an option is invalid.
    """
    environment = process_environment() if environ is None else Environment(environ)
    file = _find_file(path, environment)
    raw = _read(file) if file else {}
    layers = Layers(str(file) if file else "", raw)

    ids, names = _named(raw, "agent"), _named(raw, "extension")
    reader = VariableReader(ids, names, ignore=[name for kind, name in references(raw) if kind == "env"])
    for variable, key_path, text in reader.read(environment):
        layers.put_text(key_path, text, environment.came_from(variable))
    for key, value in (options or {}).items():
        if value is not None:
            key_path = tuple(key.split("."))
            layers.put(
                key_path, value, Provenance("option", _OPTIONS.get(key) or f"--{key_path[-1].replace('_', '-')}")
            )
    warnings = tuple(
        Problem(where, f"no longer has any effect: {why}; remove it")
        for path, why in RETIRED.items()
        if (where := layers.remove(path)) is not None
    )
    layers.resolve(environment, file.parent if file else Path())

    problems: list[Problem] = []
    speech = {each.name: _options(each.options, environment, problems) for each in built_in_services()}
    keys = _options(ModelKeys, environment, problems)
    problems = [
        *environment.problems,
        *reader.problems,
        *layers.problems,
        *problems,
        *_collisions("agent", {*ids, *layers.named("agent")}),
    ]
    problems += _collisions("extension", {*names, *layers.named("extension")})
    settings = _validated(layers, keys, speech, file, problems)
    if problems:
        raise SettingsError(problems)
    of_keys = {(name,): environment.came_from(name) for name in service_variables() if name in environment.variables}
    if environ is None:
        export(environment, [name for name in environment.from_file if not _is_setting(name)])
    return settings.model_copy(update={"provenance": {**layers.provenance, **of_keys}, "warnings": warnings})


def _is_setting(variable: str) -> bool:
    if variable in (TOKEN_VARIABLE, URL_VARIABLE):
        return False
    return variable.startswith(PREFIX) or variable in service_variables()


def _find_file(path: Path | None, environment: Environment) -> Path | None:
    source = "--config"
    if path is None and (named := environment.variables.get(CONFIG_VARIABLE)):
        path, source = Path(named), environment.where(CONFIG_VARIABLE)
    if path is None:
        default = Path(DEFAULT_FILE)
        return default if default.exists() else None
    if not path.is_file():
        raise SettingsError([Problem(source, f"there is no file {path}")])
    return path


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        if not _deeper_than(MAX_DEPTH, raw):
            return raw
        problem = f"has tables and lists more than {MAX_DEPTH} deep within each other"
    except RecursionError:
        problem = f"has tables and lists more than {MAX_DEPTH} deep within each other"
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        problem = f"is not valid TOML: {error}"
    except ValueError:  # Python's limit on digits
        problem = "holds a number with too many digits"
    raise SettingsError([Problem(str(file), problem)])


def _deeper_than(depth: int, table: Mapping[str, Any]) -> bool:
    """Whether anything is nested deeper. Dotted keys nest without brackets."""
    level: list[Any] = [table]
    for _ in range(depth):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _named(raw: Mapping[str, Any], kind: str) -> set[str]:
    """Return the agents or extensions that the file mentions, as tables or in lists.

    The file has not been validated yet, so any value may be of any type.
    """
    tables, lists = raw.get(kind), raw.get(f"{kind}s")
    ids = set(tables) if isinstance(tables, dict) else set()
    if isinstance(lists, dict):
        for key in {**AgentsSettings.model_fields, **ExtensionsSettings.model_fields}:
            value = lists.get(key)
            ids.update(entry for entry in (value if isinstance(value, list) else []) if isinstance(entry, str))
    return ids


def _collisions(kind: str, ids: set[str]) -> list[Problem]:
    return [
        Problem(
            f"[{kind}.{first}] and [{kind}.{second}]",
            "variables cannot distinguish these two ids; rename one of them, without '--' and without '-' at the end",
        )
        for first, second in colliding_ids(name for name in ids if re.fullmatch(AGENT_ID_PATTERN, name))
    ]


def _options(model: type[_Model], environment: Environment, problems: list[Problem]) -> _Model:
    """Return a model filled from the variables named by its fields' aliases. Errors are added to `problems`."""
    environ, where = environment.variables, environment.where
    variables = [field.alias for field in model.model_fields.values() if field.alias]
    given = {name: text for name in variables if (text := environ.get(name, "").strip())}
    found = [Problem(where(name), NOT_UTF8) for name, text in given.items() if not is_utf8(text)]
    if not found:
        try:
            return model.model_validate(given)
        except ValidationError as error:
            found = [Problem(where(str(each.path[0])), each.message) for each in explain(error, model)]
    problems += [problem for problem in found if problem not in problems]  # two models may share a variable
    return model()


def _validated(
    layers: Layers, keys: ModelKeys, speech: Mapping[str, ServiceOptions], file: Path | None, problems: list[Problem]
) -> Settings:
    """Return the settings. If they are invalid, errors are added to `problems`, and the defaults are returned."""
    try:
        tables = Tables.model_validate(layers.values)
    except ValidationError as error:
        problems += [
            Problem(layers.where(found.path), _of_one(found, layers.values) or found.message)
            for found in explain(error, Tables)
            if not layers.is_missing(found.path)
        ]
        tables = Tables()
    return Settings(**dict(tables), keys=keys, speech_options=speech, path=file, provenance=layers.provenance)


def _of_one(found: FieldProblem, values: Mapping[str, Any]) -> str | None:
    """Return a message for the misspelling `[agents.front-desk]` of `[agent.front-desk]`; otherwise None."""
    if len(found.path) != 2 or found.path[0] not in ("agents", "extensions"):
        return None
    kind, name = (str(part) for part in found.path)
    if name in type(getattr(Tables(), kind)).model_fields or not isinstance(values[kind].get(name), dict):
        return None
    return f"there is no such key; did you mean [{kind.removesuffix('s')}.{name}]?"
