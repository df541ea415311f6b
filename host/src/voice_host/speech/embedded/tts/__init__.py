"""A voice on this machine."""
