"""One session: from a worker's hello to the next one, or to close."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rayferry.bridge.envelope import MAX_MESSAGES, Sequence, encode_message, seal_frame
from rayferry.bridge.messages import PROTOCOL, FromServer, Hello, Refused

# A session that hasn't been heard of for this long may be taken over by another incarnation.
ALIVE_SECONDS = 10.0
# Frames are closed at this size: big enough to batch, small enough that a heartbeat isn't stuck behind one.
FRAME_BYTES = 4 * 1024 * 1024


class Session:
    def __init__(self, peer: bytes, hello: Hello, now: float) -> None:
        self.peer = peer
        self.worker = hello.worker
        self.incarnation = hello.incarnation
        self.sequence = Sequence()
        self.heard_at = now
        # False once a frame couldn't be delivered: then numbers have a gap, and only a new hello mends that.
        self.reachable = True
        self._outbox: list[msgspec.Raw] = []

    def alive(self, now: float) -> bool:
        return now - self.heard_at < ALIVE_SECONDS

    def post(self, message: FromServer) -> None:
        if self.reachable:
            self._outbox.append(encode_message(message))

    def lose(self) -> None:
        self.reachable = False
        self._outbox.clear()

    def frames(self, epoch: str) -> Iterator[bytes]:
        """What was posted, in as few frames as fit."""
        outbox, self._outbox = self._outbox, []
        batch: list[msgspec.Raw] = []
        size = 0
        for raw in outbox:
            length = len(memoryview(raw))
            if batch and (size + length > FRAME_BYTES or len(batch) == MAX_MESSAGES):
                yield self._seal(epoch, batch)
                batch, size = [], 0
            batch.append(raw)
            size += length
        if batch:
            yield self._seal(epoch, batch)

    def _seal(self, epoch: str, batch: list[msgspec.Raw]) -> bytes:
        return seal_frame(epoch, self.sequence.next(), self.sequence.received, batch)


def refusal(hello: Hello, build: str, current: Session | None, now: float) -> Refused | None:
    """Why this hello can't be accepted, if it can't."""
    if not hello.protocol_min <= PROTOCOL <= hello.protocol_max:
        return Refused(
            "PROTOCOL_MISMATCH",
            f"Worker {hello.worker!r} (npm rayferry {hello.build}) speaks protocol {hello.protocol_min} to "
            f"{hello.protocol_max}; this server (pip rayferry {build}) speaks {PROTOCOL}. "
            "Install the same version of both packages.",
        )
    if current and current.incarnation != hello.incarnation and current.alive(now):
        return Refused(
            "SESSION_TAKEN",
            f"Worker {hello.worker!r} (incarnation {hello.incarnation}) asked for a session, but worker "
            f"{current.worker!r} (incarnation {current.incarnation}) has it and was heard "
            f"{now - current.heard_at:.1f} s ago. Start a server of your own.",
        )
    return None
