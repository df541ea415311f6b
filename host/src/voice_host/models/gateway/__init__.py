"""Models of the platform's LLM gateway, or of a server with OpenAI's chat completions in its place."""

from voice_host.models.gateway.client import GatewayClient
from voice_host.models.gateway.model import GatewayModel

__all__ = ["GatewayClient", "GatewayModel"]
