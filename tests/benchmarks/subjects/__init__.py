"""The programs under test: the host, and the floor it is compared with. Each is a process of its own."""
