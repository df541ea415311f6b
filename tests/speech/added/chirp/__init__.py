"""A speech service that exists in tests alone."""
