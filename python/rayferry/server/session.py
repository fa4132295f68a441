"""One session with one incarnation of a worker: what is to be sent to it, and what it has."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator

from rayferry.bridge.delivery import Incoming, Outgoing, Parts
from rayferry.bridge.envelope import MAX_MESSAGES, encode_message, seal_frame
from rayferry.bridge.fields import Credit
from rayferry.bridge.from_server import FromServer
from rayferry.bridge.from_worker import Hello

# A session that hasn't been heard of for this long counts as detached.
ALIVE_SECONDS = 10.0
# Frames are closed at this size: big enough to batch, small enough that a heartbeat isn't stuck behind one.
FRAME_BYTES = 4 * 1024 * 1024
# Of progress and logs, since the worker was last heard.
LOOSE_BYTES = 1024 * 1024
GAP_SECONDS = 0.1
CLUSTER_SECONDS = 5.0
# What a worker may have outstanding.
CREDIT = Credit(20_000, 64 * 1024 * 1024)

# Made when it is time to send it: results stay where they are until then, and may be recorded meanwhile.
Later = Callable[[float], FromServer | None]


class Session:
    def __init__(self, peer: bytes, hello: Hello, now: float) -> None:
        self.id = uuid.uuid4().hex
        self.peer = peer
        self.worker = hello.worker
        self.incarnation = hello.incarnation
        self.role = hello.role
        self.database = hello.database
        self.incoming = Incoming(CREDIT)
        self.outgoing = Outgoing(hello.credit)
        self.heard_at = now
        # False once a frame couldn't be delivered, or after a silence: nothing is sent until it is heard again.
        self.attached = True
        self._outbox: deque[FromServer | Later] = deque()
        self._again: deque[tuple[int, Parts]] = deque()
        self._loose: list[bytes] = []
        self._loose_room = LOOSE_BYTES
        self._next_gap = 0.0
        self._told_reachable: bool | None = None
        self._next_cluster = 0.0
        # Encoded for a frame that its credit doesn't allow yet.
        self._waiting: bytes | None = None

    def alive(self, now: float) -> bool:
        return now - self.heard_at < ALIVE_SECONDS

    def heard(self, now: float) -> None:
        self.heard_at = now
        self.attached = True
        self._loose_room = LOOSE_BYTES

    def resume(self, peer: bytes, received: int, now: float) -> None:
        """Go on over a new connection: what the worker hasn't received goes out again, first."""
        self.peer = peer
        self.heard(now)
        self._again = deque(self.outgoing.after(received))
        self._loose.clear()

    def post(self, message: FromServer | Later) -> None:
        """Numbered: never lost while the session lasts."""
        self._outbox.append(message)

    def say(self, message: FromServer) -> None:
        """Loose: may be lost."""
        self._loose.append(encode_message(message))

    def try_say(self, message: FromServer) -> bool:
        """Loose and bounded; False where it was dropped."""
        encoded = encode_message(message)
        size = len(encoded)
        if not self.attached or size > self._loose_room:
            return False
        self._loose_room -= size
        self._loose.append(encoded)
        return True

    def may_tell_cluster(self, reachable: bool, now: float) -> bool:
        """Now and then, and at once when that changes."""
        if reachable == self._told_reachable and now < self._next_cluster:
            return False
        self._told_reachable, self._next_cluster = reachable, now + CLUSTER_SECONDS
        return True

    def may_tell_gap(self, now: float) -> bool:
        if now < self._next_gap:
            return False
        self._next_gap = now + GAP_SECONDS
        return True

    def frames(self, epoch: str, now: float) -> Iterator[bytes]:
        """What may go out now. Numbered ones first: no log delays a result."""
        if not self.attached:
            return
        while self._again:
            seq, parts = self._again.popleft()
            yield seal_frame(epoch, seq, self.incoming.ack(), parts)
        while batch := self._batch(now):
            parts, size = batch
            seq = self.outgoing.keep(parts, size)
            yield seal_frame(epoch, seq, self.incoming.ack(), parts)
        if self._loose or self.incoming.owes_ack:
            yield self.loose_frame(epoch)

    def loose_frame(self, epoch: str) -> bytes:
        loose, self._loose = self._loose, []
        return seal_frame(epoch, 0, self.incoming.ack(), loose)

    @property
    def backlog(self) -> int:
        """Messages that wait for credit."""
        return len(self._outbox) + (self._waiting is not None)

    def _batch(self, now: float) -> tuple[Parts, int] | None:
        parts: Parts = []
        size = 0
        messages, room = self.outgoing.room
        room = min(room, FRAME_BYTES)
        while len(parts) < MAX_MESSAGES and (encoded := self._next(now)) is not None:
            length = len(encoded)
            fits = len(parts) < messages and size + length <= room if parts else self.outgoing.fits(1, length)
            if not fits:
                self._waiting = encoded
                break
            parts.append(encoded)
            size += length
        return (parts, size) if parts else None

    def _next(self, now: float) -> bytes | None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            return waiting
        while self._outbox:
            item = self._outbox.popleft()
            message = item(now) if callable(item) else item
            if message is not None:
                return encode_message(message)
        return None
