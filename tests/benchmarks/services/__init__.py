"""The simulated services: as fast as a bare event loop allows, and honest about when they did what."""
