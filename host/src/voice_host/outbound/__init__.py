"""Requests to addresses that a model or a caller chose."""
