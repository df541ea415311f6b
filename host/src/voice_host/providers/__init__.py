"""Adapters to speech services, one file each, behind the protocols of the SDK."""
