"""Client protocols, and the transports that carry them."""
