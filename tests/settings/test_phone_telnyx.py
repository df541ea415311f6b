"""`[phone.telnyx]`."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voice_host.settings.phone import TelnyxSettings


@pytest.mark.parametrize("key", ["", "AAAA", "no key!", "A" * 44])
def test_a_public_key_that_is_none_is_a_mistake_of_the_settings(key: str) -> None:
    with pytest.raises(ValidationError, match="copy the public key"):
        TelnyxSettings(api_key="KEY", public_key=key)
