"""The front of a running host: HTTP and WebSocket routes, connection limits, and the server process."""
