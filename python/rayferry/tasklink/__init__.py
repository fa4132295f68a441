"""The link between a server and its Ray task processes, as "The task link" in bridge/PROTOCOL.md says. Knows nothing
of Ray."""
