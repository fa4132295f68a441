"""The numbers of one session, each direction by itself: what is outstanding, what is sent again, when to acknowledge.

Nothing here knows sockets or messages: `Parts` are encoded messages with their size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

from rayferry.bridge.fields import Credit
from rayferry.errors import FrameRefused

Parts = list[bytes]
Arrival = Literal["next", "duplicate", "gap"]


class Outgoing:
    """What this side has sent. Kept until the other side has consumed it."""

    def __init__(self, credit: Credit) -> None:
        self.sent = 0
        self.acknowledged = 0
        self._credit = credit
        self._kept: deque[tuple[int, Parts, int]] = deque()
        self._messages = 0
        self._bytes = 0

    @property
    def room(self) -> tuple[int, int]:
        """(messages, bytes) that may go out now, beside the one that may when nothing is outstanding."""
        return self._credit.messages - self._messages, self._credit.bytes - self._bytes

    def fits(self, messages: int, size: int) -> bool:
        """Whether a frame of this size may go out now."""
        if messages == 1 and not self._kept:
            return True
        return self._messages + messages <= self._credit.messages and self._bytes + size <= self._credit.bytes

    def keep(self, parts: Parts, size: int) -> int:
        """The number of the next frame."""
        self.sent += 1
        self._kept.append((self.sent, parts, size))
        self._messages += len(parts)
        self._bytes += size
        return self.sent

    def acknowledge(self, ack: int) -> None:
        """Raises FrameRefused for what was never sent."""
        if ack > self.sent:
            raise FrameRefused(
                "BAD_SEQUENCE", f"Expected an ack of at most {self.sent}, the last frame sent; got {ack}."
            )
        self.acknowledged = max(self.acknowledged, ack)
        while self._kept and self._kept[0][0] <= ack:
            _, parts, size = self._kept.popleft()
            self._messages -= len(parts)
            self._bytes -= size

    def after(self, received: int) -> Iterator[tuple[int, Parts]]:
        """What the other side hasn't received, to be sent again."""
        for seq, parts, _ in self._kept:
            if seq > received:
                yield seq, parts

    @property
    def outstanding(self) -> tuple[int, int]:
        """(messages, bytes)"""
        return self._messages, self._bytes


class Incoming:
    """What this side has received. All of it is consumed at once: a server's limits are elsewhere."""

    def __init__(self, credit: Credit) -> None:
        self.received = 0
        self._credit = credit
        self._messages = 0
        self._bytes = 0

    def take(self, seq: int, messages: int, size: int) -> Arrival:
        if seq <= self.received:
            return "duplicate"
        if seq > self.received + 1:
            return "gap"
        self.received = seq
        self._messages += messages
        self._bytes += size
        return "next"

    def ack(self) -> int:
        """The number to acknowledge in a frame that goes out now."""
        self._messages = self._bytes = 0
        return self.received

    @property
    def owes_ack(self) -> bool:
        """A quarter of the credit is consumed and not acknowledged: the other side might soon stand still."""
        return self._messages * 4 >= self._credit.messages or self._bytes * 4 >= self._credit.bytes
