"""Sessions: creating, parking, resuming and ending them, and their callbacks and observers."""
