"""Connections that lose, keep back, repeat and reorder what the test tells them to. Implements bridge/link.py."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from rayferry.bridge.link import PeerGone


class Connection:
    """One worker's. Frames lie in it until they are delivered."""

    def __init__(self, peer: bytes) -> None:
        self.peer = peer
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        # Numbered frames that were delivered since the last hello.
        self.past_up: list[bytes] = []
        self.past_down: list[bytes] = []
        # False: whatever is sent on it vanishes, and neither side knows yet.
        self.stands = True


class Network:
    def __init__(self) -> None:
        self._known: dict[bytes, Connection] = {}
        self._inbox: list[tuple[bytes, bytes]] = []

    def connect(self, peer: bytes) -> Connection:
        """Takes the place of an older one, as ROUTER_HANDOVER does."""
        connection = self._known[peer] = Connection(peer)
        return connection

    def deliver_up(self, connection: Connection, count: int) -> None:
        for _ in range(min(count, len(connection.up))):
            frame = connection.up.popleft()
            _remember(connection, connection.past_up, frame)
            self.arrive(connection.peer, frame)

    def arrive(self, peer: bytes, frame: bytes) -> None:
        self._inbox.append((peer, frame))

    def deliver_down(self, connection: Connection) -> bytes:
        frame = connection.down.popleft()
        _remember(connection, connection.past_down, frame)
        return frame

    def break_off(self, connection: Connection) -> None:
        connection.stands = False
        connection.up.clear()
        connection.down.clear()

    def notice(self, connection: Connection) -> None:
        """The server's side learns that it is gone."""
        if not connection.stands and self._known.get(connection.peer) is connection:
            del self._known[connection.peer]

    def server_gone(self) -> None:
        for connection in self._known.values():
            self.break_off(connection)
        self._known.clear()
        self._inbox.clear()

    def receive(self, timeout_seconds: float) -> list[tuple[bytes, bytes]]:
        inbox, self._inbox = self._inbox, []
        return inbox

    def send(self, peer: bytes, frame: bytes) -> None:
        connection = self._known.get(peer)
        if connection is None:
            raise PeerGone("nobody is connected")
        if connection.stands:
            connection.down.append(frame)

    def wake(self) -> None:
        return


def _remember(connection: Connection, past: list[bytes], frame: bytes) -> None:
    """What a worker says before its hello belongs to another session perhaps, with the same numbers."""
    if numbered(frame):
        past.append(frame)
    elif any(message[0] in ("hello", "welcome") for message in msgspec.msgpack.decode(frame)[4]):
        connection.past_up.clear()
        connection.past_down.clear()


def numbered(frame: bytes) -> bool:
    """ZeroMQ keeps the order of a connection and repeats nothing; where it is tested all the same, then with these."""
    decoded: list[Any] = msgspec.msgpack.decode(frame)
    return bool(decoded[2] > 0)
