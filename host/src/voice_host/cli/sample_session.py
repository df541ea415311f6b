"""Beginning a session of an agent as a call would, without a call."""

from __future__ import annotations

from functools import partial

from voice_host.admission.allowed import NotAllowed
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelConfigError
from voice_host.plugins import BrokenAgent, InvalidReturn, LoadedAgent, Phase, valid_config
from voice_host.plugins.guard import describe, function_place, place
from voice_host.sessions.live_session import LiveSession
from voice_host.settings import redact
from voice_host.speech.builtin import ProviderConfigError
from voice_host.tenancy import attributed_to, isolated, raised_by


async def session_problem(loaded: LoadedAgent, runtime: AgentRuntime, timeout_s: float) -> BrokenAgent | str | None:
    """Build the configuration of a call that brings neither a caller nor metadata, and say what is wrong with it.

    Args:
        timeout_s: for `on_session_starting`.

    Returns:
        a broken agent where no call can be begun so; a warning where the agent refuses such a call, which may be
        what its author wants; None when nothing is wrong.
    """
    session = LiveSession("check", loaded.id)
    try:
        starting = partial(loaded.callbacks.on_session_starting, session, loaded.config)
        work = partial(attributed_to, loaded.id, starting)
        returned = await isolated(work, name="on_session_starting", timeout_s=timeout_s)
        config = returned if returned is loaded.config else valid_config(returned, "on_session_starting")
        await runtime.prepare(config)
        runtime.variant(config)
    except InvalidReturn as error:
        where = error.where or function_place(loaded.callbacks.on_session_starting)
        return _broken(loaded, str(error), error.hint, where)
    except (ModelConfigError, NotAllowed, ProviderConfigError) as error:
        where = function_place(loaded.callbacks.on_session_starting)
        return _broken(loaded, f"on_session_starting returned what cannot be had: {error}", None, where)
    except Exception as caught:  # noqa: BLE001 - whatever the agent does is a finding
        raised = raised_by(caught)
        at = place(raised)
        said = f"on_session_starting refused a call without caller and metadata: {describe(raised)}"
        return redact(said + (f" ({at})" if at else ""), loaded.secrets)
    return None


def _broken(loaded: LoadedAgent, error: str, hint: str | None, where: str | None) -> BrokenAgent:
    return BrokenAgent(
        loaded.discovered, Phase.CONFIGURED, redact(error, loaded.secrets), hint, where, loaded.import_ms
    )
