"""Metrics, logs and stack traces, without secrets and callers' words."""
