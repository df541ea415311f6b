"""The running host: its agents, its HTTP and WebSocket surface, and the process around it."""
