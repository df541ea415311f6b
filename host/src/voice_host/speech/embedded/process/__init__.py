"""Embedded speech in a process of its own, for the workers of all agents, and the client of it.

A worker connects to a Unix socket, says which agent it runs (`Hello`) and sends requests; each is answered once, in
any order (`wire`). The process shares its threads among the agents (`fair_turns`).
"""
