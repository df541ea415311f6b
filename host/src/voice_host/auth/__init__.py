"""Authentication: API keys, call tokens, authenticators of extensions, and the origins of web pages."""
