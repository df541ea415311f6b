"""Releases: an agent at a version in an environment. Deploying them, and the traffic between them."""
