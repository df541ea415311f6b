"""Speech on this machine: no key, no download. English."""
