"""The caller's end of a call: a client that types or plays WAV files, and prints what it hears."""
