"""Agents: the shared runtime, one caller's conversation, and the manager that owns their life."""
