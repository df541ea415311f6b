"""One call: the handler, its turn engine, and the way of audio in and out."""
