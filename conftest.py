"""Makes the example's package known before pytest takes the folder of the same name for it."""

import example_agent_plugin  # noqa: F401
