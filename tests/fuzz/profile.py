"""How many inputs a test of chance tries: few in an ordinary run, many with `--hypothesis-profile=long`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

USUAL = 100
"""`max_examples` of hypothesis' own profiles."""

ORDINARY, LONG = "ordinary", "long"


def register() -> None:
    """Make the profiles known; it has to be before pytest reads its options.

    Neither has a deadline: how long an input takes hangs on what else the machine does.
    """
    settings.register_profile(ORDINARY, deadline=None)
    settings.register_profile(LONG, max_examples=20 * USUAL, deadline=None)
    settings.load_profile(ORDINARY)


def inputs(usual: int) -> settings:
    """Return the settings of a test that tries `usual` inputs, and 20 times as many in a long run."""
    return settings(
        max_examples=usual * max(1, settings().max_examples // USUAL),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )
