"""What the parent tells a child: one line of JSON on its standard input. The end of the input means: leave."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to serve.

    Attributes:
        folder: of the source tree.
        config: the settings file, or None.
        listener: the socket, see `handover`.
        again: whether a child served before; it says less when it starts then.
        failure: why the child before it ended by itself. The agents are not loaded then, this is shown instead.
    """

    folder: str
    config: str | None
    listener: str | int
    again: bool = False
    failure: str | None = None

    def line(self) -> bytes:
        """Return it for the child's standard input."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Order:
        """Return what `line` says."""
        return cls(**json.loads(line))
