"""Whose a module is."""

import pytest

from voice_host.tenancy import CodeOwners

OWNERS = CodeOwners(
    {
        "desk": "front_desk.agent:plugin",
        "booking": "acme.booking",
        "shop": "acme.shop:plugin",
        "a": "two:a",
        "b": "two:b",
    }
)


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("front_desk.agent", "desk"),
        ("front_desk", "desk"),
        ("front_desk.tools.calendar", "desk"),
        ("front_desk_other", None),
        ("acme.booking.tools", "booking"),
        ("acme.shop", "shop"),
        ("acme.common", None),
        ("two", None),
        ("voice_host.sessions", None),
        ("", None),
    ],
)
def test_an_agent_owns_its_package_unless_another_lives_there_too(module: str, owner: str | None) -> None:
    assert OWNERS.of(module) == owner
