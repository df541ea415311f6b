"""The other end of a call: a client that speaks a WAV file and writes down what it hears."""
