"""Envelopes: frames of messages, numbered in each direction without gaps.

`open_frame` turns bytes into an envelope; `Sequence` says whether it is the next one. Both raise FrameRefused.
"""

from __future__ import annotations

from collections.abc import Sequence as Items

import msgspec

from rayferry.bridge.messages import PROTOCOL, FromServer, FromWorker, Hello
from rayferry.errors import FrameRefused

MAX_FRAME = 64 * 1024 * 1024
MAX_MESSAGES = 10_000


class Envelope(msgspec.Struct, array_like=True, frozen=True):
    """[protocol, epoch, seq, ack, messages]; the messages are decoded once the frame is known to be in order."""

    protocol: int
    epoch: str | None
    seq: int
    ack: int
    messages: list[msgspec.Raw]


class Opened(msgspec.Struct, frozen=True):
    envelope: Envelope
    messages: list[FromWorker]

    @property
    def hello(self) -> Hello | None:
        first = self.messages[0]
        return first if isinstance(first, Hello) else None


class _Outgoing(msgspec.Struct, array_like=True):
    protocol: int
    epoch: str
    seq: int
    ack: int
    messages: Items[FromServer | msgspec.Raw]


_envelope = msgspec.msgpack.Decoder(Envelope)
_message: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_encoder = msgspec.msgpack.Encoder()


def open_frame(frame: bytes) -> Opened:
    if len(frame) > MAX_FRAME:
        raise FrameRefused(
            "TOO_LARGE", f"The frame is {len(frame):,} bytes; the limit is {MAX_FRAME:,}. Send less at once."
        )
    try:
        envelope = _envelope.decode(frame)
        count = len(envelope.messages)
        if not 1 <= count <= MAX_MESSAGES:
            raise FrameRefused("BAD_FRAME", f"A frame has 1 to {MAX_MESSAGES:,} messages, but this one has {count:,}.")
        messages = [_message.decode(raw) for raw in envelope.messages]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise FrameRefused(
            "BAD_FRAME", f"Expected a frame of protocol {PROTOCOL}, but it can't be read: {error}"
        ) from None
    hellos = sum(isinstance(message, Hello) for message in messages)
    if hellos and count > 1:
        raise FrameRefused("BAD_FRAME", f"`hello` comes alone in its frame, but this one has {count} messages.")
    if not hellos and envelope.protocol != PROTOCOL:
        raise FrameRefused("BAD_FRAME", f"Expected a frame of protocol {PROTOCOL}, got protocol {envelope.protocol}.")
    return Opened(envelope, messages)


def encode_message(message: FromServer) -> msgspec.Raw:
    """A message as it will stand in its frame: so that its size is known before the frame is made."""
    return msgspec.Raw(_encoder.encode(message))


def seal_frame(epoch: str, seq: int, ack: int, messages: Items[FromServer | msgspec.Raw]) -> bytes:
    return _encoder.encode(_Outgoing(PROTOCOL, epoch, seq, ack, messages))


class Sequence:
    """The numbers of one session. `received` and `sent` are the highest of each direction."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.acknowledged = 0

    def take(self, envelope: Envelope) -> None:
        """Note an incoming frame. Raises FrameRefused, and notes nothing, unless it is the next one."""
        if envelope.seq != self.received + 1:
            raise FrameRefused("BAD_SEQUENCE", f"Expected frame {self.received + 1}, got frame {envelope.seq}.")
        if not self.acknowledged <= envelope.ack <= self.sent:
            raise FrameRefused(
                "BAD_SEQUENCE",
                f"Expected an ack from {self.acknowledged} to {self.sent}, the last frame sent; got {envelope.ack}.",
            )
        self.received = envelope.seq
        self.acknowledged = envelope.ack

    def next(self) -> int:
        self.sent += 1
        return self.sent
