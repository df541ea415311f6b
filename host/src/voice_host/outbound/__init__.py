"""Requests to addresses chosen by a model or a caller."""
