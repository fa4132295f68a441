"""The way from a worker to a server in an actor.

on its node       the server's own socket, ipc
on another        tcp with CURVE, straight to the server: the actor admits a key that is drawn here for this one way
where no port is  through the actor's handle: the sidecar relays (bridge/relay.py), which takes tens of milliseconds
"""

from __future__ import annotations

import itertools
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rayferry.bridge.relay import Relay
from rayferry.bridge.socket import RouterLink, make_key_pair
from rayferry.endpoint import TcpEndpoint, parse_endpoint
from rayferry.log import Log

# A firewall drops without a word. The time counts in every adoption.
PROBE_SECONDS = 2.0
# For so long the ports of a host that didn't answer aren't tried again: a worker may adopt from many servers there.
CLOSED_SECONDS = 60.0
# The first byte of ZeroMQ's greeting, which a server sends unasked.
_GREETING = b"\xff"


class Server(Protocol):
    """What a way needs of a server in an actor."""

    @property
    def near_endpoint(self) -> str | None:
        """Of its socket, where that can be reached from this process."""

    def admit(self, public_key: str) -> tuple[str, str]: ...

    def exchange(self, peer: bytes, frames: list[bytes], seconds: float) -> list[bytes]: ...


@dataclass(frozen=True)
class Way:
    endpoint: str
    # As the worker's CurveOptions; None: without CURVE.
    curve: dict[str, str] | None


class Ways:
    """`base`: an ipc endpoint of ours, beneath whose name relays listen. From any thread."""

    def __init__(self, base: str, log: Log) -> None:
        self._base = base
        self._log = log
        self._numbers = itertools.count(1)
        self._sockets: list[Path] = []
        self._closed: dict[str, float] = {}

    def to(self, server: Server) -> Way:
        near = server.near_endpoint
        if near is not None:
            return Way(near, None)
        return self._direct(server) or self._relay(server)

    def remove_files(self) -> None:
        for path in self._sockets:
            path.unlink(missing_ok=True)

    def _direct(self, server: Server) -> Way | None:
        pair = make_key_pair()
        try:
            endpoint, server_key = server.admit(pair.public)
        except Exception as error:
            # Older than this way, or short of a port. If it is dead, the relay hears of it as well.
            self._log("warn", "A server opens no port for this node: its frames go through Ray.", reason=str(error))
            return None
        reason = self._closed_reason(endpoint)
        if reason is None:
            return Way(endpoint, {"serverKey": server_key, "publicKey": pair.public, "secretKey": pair.secret})
        address = endpoint.removeprefix("tcp://")
        self._log(
            "warn",
            f"The server at {address} can't be reached over tcp from this node ({reason}): its frames go through Ray, "
            f"which takes tens of milliseconds a message. Open tcp to {address} from here; each server takes a free "
            "port, so open those that its system gives out (32768 to 60999 on Linux).",
        )
        return None

    def _closed_reason(self, endpoint: str) -> str | None:
        parsed = parse_endpoint(endpoint)
        host = parsed.host if isinstance(parsed, TcpEndpoint) else ""
        if time.monotonic() < self._closed.get(host, 0):
            return "another port of that host didn't answer a moment ago"
        began = time.monotonic()
        reason = probe(endpoint)
        # One that says no at once costs nothing to be asked again, and says nothing of the host's other ports.
        if reason is not None and time.monotonic() - began >= PROBE_SECONDS / 2:
            self._closed[host] = time.monotonic() + CLOSED_SECONDS
        return reason

    def _relay(self, server: Server) -> Way:
        endpoint = f"{self._base}.{next(self._numbers)}"
        self._sockets.append(Path(endpoint.removeprefix("ipc://")))
        Relay(RouterLink(endpoint), server.exchange, self._log)
        return Way(endpoint, None)


def probe(endpoint: str, seconds: float = PROBE_SECONDS) -> str | None:
    """Why no ZeroMQ answers at this tcp endpoint; None if one does."""
    parsed = parse_endpoint(endpoint)
    assert isinstance(parsed, TcpEndpoint)
    until = time.monotonic() + seconds
    try:
        with socket.create_connection((parsed.host, parsed.port), seconds) as connection:
            connection.settimeout(max(0.01, until - time.monotonic()))
            greeting = connection.recv(1)
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return None if greeting == _GREETING else "what answers there isn't ZeroMQ"
