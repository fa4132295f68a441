"""What a server needs of whatever carries its frames."""

from __future__ import annotations

from typing import Protocol


class PeerGone(Exception):
    """Nobody is connected under this routing id."""


class Link(Protocol):
    def receive(self, timeout_seconds: float) -> list[tuple[bytes, bytes]]:
        """Wait for frames or a wake-up, then take all there are: (routing id of the peer, frame)."""

    def send(self, peer: bytes, frame: bytes) -> None:
        """Raises PeerGone. Doesn't block."""

    def wake(self) -> None:
        """Make `receive` return. The only method that other threads may call."""
