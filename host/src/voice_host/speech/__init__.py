"""Adapters to speech services, a folder each, behind the protocols of the SDK; and the choice among them."""
