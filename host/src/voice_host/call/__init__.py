"""One call: its handler, replies, and the audio in both directions."""
