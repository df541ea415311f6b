"""The demo model: it matches words with an agent's tools, so that a fresh install can talk without a key."""

from voice_host.models.demo.model import demo_model

__all__ = ["demo_model"]
