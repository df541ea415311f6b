"""The front desk of a small restaurant: an example of a voice agent."""

from example_agent_plugin.agent import agent_config, lifecycle_callbacks

__all__ = ["agent_config", "lifecycle_callbacks"]
