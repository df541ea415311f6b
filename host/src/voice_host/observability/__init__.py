"""Metrics, logs and stack traces: what is told about the host, and what is kept out."""
