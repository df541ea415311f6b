"""Telephone calls, seen from the front: carriers' webhooks, signatures and REST APIs, and the calls under way."""
