"""`[limits]`: how much callers may take. docs/reference/configuration.md gives the reasons for the defaults."""

from __future__ import annotations

from pydantic import BaseModel, Field

from voice_host.settings.field_types import TABLE


class LimitsSettings(BaseModel):
    """`[limits]`: of calls at once, of what one client sends, and of how long things may take."""

    model_config = TABLE

    max_calls: int = Field(default=500, ge=1, description="Calls at once.")
    max_calls_per_caller: int = Field(default=100, ge=1, description="Calls at once of one authenticated identity.")
    max_calls_per_address: int = Field(
        default=50,
        ge=1,
        description="Calls at once from one IPv4 address or one /64 of IPv6, and four times as many from a /48; "
        "loopback is not limited.",
    )
    max_call_starts_per_minute: int = Field(
        default=120,
        ge=1,
        description="Calls that one authenticated identity, or one address, may start or resume in a minute.",
    )
    max_auth_failures_per_minute: int = Field(
        default=10,
        ge=1,
        description="Wrong keys and tokens from one address; beyond it that address waits, each time twice as long.",
    )
    max_connections: int = Field(
        default=4096,
        ge=1,
        description="Open connections, at most a quarter of the file descriptors. A new one replaces an idle one.",
    )
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        description="The same for one address, at most half of all; loopback and proxies are not limited.",
    )
    max_call_s: float = Field(default=14400.0, gt=0, description="Longest call; an agent may have a shorter limit.")
    handshake_timeout_s: float = Field(
        default=10.0, gt=0, description="A connection that has sent no whole request after so long is cut."
    )
    ping_interval_s: float = Field(default=20.0, gt=0, description="How often a client is pinged.")
    ping_timeout_s: float = Field(default=20.0, gt=0, description="A client that does not answer a ping is gone.")
    send_timeout_s: float = Field(default=5.0, gt=0, description="A client that takes no frame for so long is gone.")
    max_lag_s: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=True,  # `inf`: never; what is no number is not greater than 0
        description="Speech that a client is too slow to take may be so late; then some is skipped.",
    )
    max_frame_bytes: int = Field(default=1 << 20, ge=1024, description="Largest WebSocket message of a client.")
    max_json_bytes: int = Field(default=65536, ge=256, description="Largest JSON message of a client.")
    max_typed_chars: int = Field(default=4000, ge=1, description="Longest typed turn.")
    max_metadata_bytes: int = Field(default=8192, ge=0, description="Longest query, which becomes Session.metadata.")
    messages_per_s: float = Field(default=20.0, gt=0, description="JSON messages of a client.")
