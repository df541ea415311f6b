"""`voice-host dev`: one source tree's agents, started again whenever a file of it is saved.

The parent keeps the listening socket and watches the files; a child process, a fresh one for each save, runs the
agents.
"""
