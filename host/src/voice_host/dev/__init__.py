"""`voice-host dev`: serves the agents of one source tree and restarts on every save.

The parent (`supervisor`) keeps the listening socket and watches the files. A new child process runs the agents after
each save.
"""
