"""The benchmark of the host against a bare relay. Run it with `uv run python -m tests.benchmarks`."""
