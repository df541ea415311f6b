"""Who may come in: API keys, call tokens, the extensions' authenticators, and other sites' pages."""
