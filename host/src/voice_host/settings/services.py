"""The names of speech services. Which of them there are the extensions say, so the settings alone cannot check them."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

AUTO = "auto"
ServiceName = Annotated[str, StringConstraints(min_length=1)]
