"""The OpenAI Realtime protocol (GA): JSON in text frames, audio in base64. See `docs/reference/openai-realtime.md`."""

from voice_host.clients.openai_realtime.protocol import NAME, SUBPROTOCOL, OpenAIRealtime

__all__ = ["NAME", "SUBPROTOCOL", "OpenAIRealtime"]
