"""Keys with which the worker of an agent shows to another process of the host which agent it runs."""

from __future__ import annotations

import hashlib
import hmac


def agent_key(secret: bytes, agent_id: str) -> str:
    """Return the key of an agent. It tells nothing about the keys of others."""
    return hmac.new(secret, agent_id.encode(), hashlib.sha256).hexdigest()


def is_agent_key(secret: bytes, agent_id: str, key: str) -> bool:
    """Whether `key` is the key of that agent. The time it takes tells nothing about the right one."""
    return hmac.compare_digest(agent_key(secret, agent_id).encode(), key.encode())
