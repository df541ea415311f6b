"""Starts, watches and restarts worker processes, and routes calls to them. Runs in the front."""
