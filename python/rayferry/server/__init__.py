"""The server: speaks the bridge protocol and hands attempts to a runner. Knows nothing of Ray, nor of its host."""

from rayferry.server.server import End, Server

__all__ = ["End", "Server"]
