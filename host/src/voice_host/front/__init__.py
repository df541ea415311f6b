"""The front of a running host: HTTP and WebSocket routes, authentication, limits of connections, and the process."""
