"""The callers, in processes of their own."""
