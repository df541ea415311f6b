"""The worker process: one agent's calls, in a process of its own."""
