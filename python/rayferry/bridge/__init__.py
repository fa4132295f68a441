"""The wire between a worker and a server, as bridge/PROTOCOL.md says."""
