"""From the outbox to the socket, a frame at a time."""

from __future__ import annotations

from collections.abc import Iterator

from rayferry.tasklink.messages import Message, encode_messages
from rayferry.tasklink.outbox import Outbox
from rayferry.tasklink.socket import ProcessSocket


class Sender:
    """Of the control thread. A frame that the socket doesn't take now is kept, and goes first the next time."""

    def __init__(self, outbox: Outbox, socket: ProcessSocket) -> None:
        self._outbox = outbox
        self._socket = socket
        self._sending: list[Message] = []
        self._unsent: bytes | None = None

    @property
    def is_stuck(self) -> bool:
        return self._unsent is not None

    def send(self) -> Iterator[list[Message]]:
        """What went, frame by frame, until there is nothing more or the socket takes nothing."""
        while True:
            if self._unsent is None:
                self._sending = self._outbox.take()
                if not self._sending:
                    return
                self._unsent = encode_messages(self._sending)
            if not self._socket.send(self._unsent):
                return
            sent, self._sending, self._unsent = self._sending, [], None
            yield sent
