"""Reads the settings of a running host again, and puts them into effect: SIGHUP and `POST /reload`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from voice_host.front.authorization import Authorization
from voice_host.observability.logs import get_logger, redact_in_logs
from voice_host.settings import Settings, SettingsError, known_secrets
from voice_host.settings.model import Tables
from voice_host.supervisor.release_fleet import ReleaseFailed, ReleaseFleet

log = get_logger(__name__)

FIXED = ("server", "auth", "agents", "data", "extensions", "extension", "limits")
"""The tables that only a restart puts into effect: the port, limits and extensions of the front, and which agents there
are."""

FIXED_OF_AGENT = ("enabled", "environment")
"""The keys of `[agent.<id>]` of which the same holds."""

FIXED_OF_PHONE = ("public_url", "twilio", "telnyx", "vonage")
"""The keys of `[phone]` of which the same holds. Numbers and sentences may change."""

Load = Callable[[], Settings]
"""Reads the settings as `voice-host serve` has read them. Blocks; raises `SettingsError`."""


class Reloaded(BaseModel):
    """What came of reading the settings again."""

    changed: tuple[str, ...] = Field(description="Agents whose own settings have changed: they got new workers.")
    taken_over: tuple[str, ...] = Field(
        description="Keys of other tables, and variables of services, that have changed and are in effect. Some of "
        "them give new workers to other agents, too."
    )
    needs_restart: tuple[str, ...] = Field(description="Keys that have changed and need a restart of the host.")


class ReloadFailed(Exception):
    """The settings were not put into effect, or not for all agents. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class LiveSettings:
    """The settings of a running host, which can be read again. Belongs to the front's event loop.

    Attributes:
        current: the settings in effect. Read them anew for each use.
    """

    def __init__(self, settings: Settings, load: Load | None = None, fleet: ReleaseFleet | None = None) -> None:
        """Begin with the settings of the start.

        Args:
            settings: see `current`.
            load, fleet: read them again, and put them into effect for the agents; None: a restart is needed.
        """
        self.current = settings
        self._load = load
        self._fleet = fleet
        self._reloading = asyncio.Lock()
        self._secrets = known_secrets(settings)

    async def reload(self) -> Reloaded:
        """Read the settings again. Agents whose settings changed get new workers; calls go on with the old ones.

        Raises:
            ReloadFailed: they are invalid, and nothing changes; or an agent does not start with them, and it alone
                continues with the old ones.
        """
        if self._load is None or self._fleet is None:
            why = "this host runs all agents in its own process, so new settings take effect with a restart"
            raise ReloadFailed(why, 'restart it, or use [agents] isolation = "process"')
        async with self._reloading:
            try:
                read = await asyncio.to_thread(self._load)
            except SettingsError as error:
                problems = "\n".join(map(str, error.problems))
                log.error("settings_not_reloaded", problems=[str(problem) for problem in error.problems])
                raise ReloadFailed(problems, "correct them and reload again; the host continues as before") from error
            before = self.current
            needs_restart = tuple(_keys_for_a_restart(before, read))
            fixed: dict[str, Any] = {name: getattr(before, name) for name in FIXED}
            phone = read.phone.model_copy(update={name: getattr(before.phone, name) for name in FIXED_OF_PHONE})
            after = read.model_copy(update={**fixed, "phone": phone})
            self._secrets |= known_secrets(after)  # the former ones are still in use by calls
            redact_in_logs(self._secrets)
            taken_over = (*_changed_keys(before, after), *_changed_variables(before, after))
            try:
                await self._fleet.reload(after)
            except ReleaseFailed as failed:
                self.current = after
                told = {"taken_over": taken_over, "needs_restart": needs_restart}
                log.error("agent_not_reloaded", agent_id=failed.report.id, error=str(failed.report), **told)
                hint = failed.report.hint or "correct its settings and reload again"
                also = f"; changed, and in effect: {', '.join(taken_over)}" if taken_over else ""
                raise ReloadFailed(f"{failed.report}; it continues with its former settings{also}", hint) from failed
            self.current = after
            changed = tuple(sorted(_changed_agents(before, after)))
            log.info("settings_reloaded", agents=changed, taken_over=taken_over, needs_restart=needs_restart)
            return Reloaded(changed=changed, taken_over=taken_over, needs_restart=needs_restart)


def _changed_agents(before: Settings, after: Settings) -> set[str]:
    named = {*before.agent, *after.agent}
    return {agent_id for agent_id in named if before.for_agent(agent_id) != after.for_agent(agent_id)}


def _changed_keys(before: Settings, after: Settings) -> list[str]:
    """Return the keys that differ, such as `server.port`, but for those of agents."""
    changed = []
    for name in Tables.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, BaseModel):
            changed += [f"{name}.{key}" for key in type(old).model_fields if getattr(old, key) != getattr(new, key)]
        elif old != new and name != "agent":
            changed.append(name)
    return changed


def _changed_variables(before: Settings, after: Settings) -> list[str]:
    """Return the variables of models and speech services that differ."""
    old, new = _variables(before), _variables(after)
    return [name for name in new if new[name] != old.get(name)]


def _variables(settings: Settings) -> dict[str, Any]:
    models = (settings.keys, *settings.speech_options.values())
    fields = (
        (field.alias, getattr(model, name)) for model in models for name, field in type(model).model_fields.items()
    )
    return {alias: value for alias, value in fields if alias is not None}


def _keys_for_a_restart(before: Settings, after: Settings) -> list[str]:
    """Return the keys that differ and that only a restart puts into effect."""
    fixed_of_phone = {f"phone.{key}" for key in FIXED_OF_PHONE}
    changed = [key for key in _changed_keys(before, after) if key.partition(".")[0] in FIXED or key in fixed_of_phone]
    return changed + [
        f"agent.{agent_id}.{key}"
        for agent_id in sorted({*before.agent, *after.agent})
        for key in FIXED_OF_AGENT
        if getattr(before.for_agent(agent_id), key) != getattr(after.for_agent(agent_id), key)
    ]


def add_reload_route(app: FastAPI, live: LiveSettings, authorization: Authorization) -> None:
    """Add `POST /reload` to the host's application."""
    options: dict[str, Any] = {"openapi_extra": {"security": [{"bearer": []}]}}

    @app.post("/reload", response_model=Reloaded, **options)
    async def reload(request: Request) -> Any:
        principal = await authorization.operator(request, "deploy")
        if principal.agents is not None:
            raise HTTPException(403, "the settings are those of all agents, and this key is limited to some")
        try:
            return await live.reload()
        except ReloadFailed as failed:
            return JSONResponse({"detail": failed.message, "hint": failed.hint}, 422)
