"""Frames: [protocol, epoch, seq, ack, messages]. Numbers are bridge/delivery.py's business."""

from __future__ import annotations

from collections.abc import Sequence as Items
from typing import Annotated

import msgspec

from rayferry.bridge.limits import check_nesting
from rayferry.bridge.messages import LOOSE_FROM_WORKER, PROTOCOL, FromServer, FromWorker, Hello, Submit
from rayferry.errors import FrameRefused

MAX_FRAME = 64 * 1024 * 1024
MAX_MESSAGES = 10_000


class Envelope(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The messages are decoded once the envelope is known to be one."""

    protocol: int
    epoch: str | None
    seq: int
    ack: int
    messages: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_MESSAGES)]


class Opened(msgspec.Struct, frozen=True):
    envelope: Envelope
    messages: list[FromWorker]
    size: int

    @property
    def hello(self) -> Hello | None:
        first = self.messages[0] if self.messages else None
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
    """Raises FrameRefused for whatever isn't a frame of a worker."""
    if len(frame) > MAX_FRAME:
        raise FrameRefused(
            "TOO_LARGE", f"The frame is {len(frame):,} bytes; the limit is {MAX_FRAME:,}. Send less at once."
        )
    try:
        envelope = _envelope.decode(frame)
        messages = [_message.decode(raw) for raw in envelope.messages]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise _bad(f"Expected a frame of protocol {PROTOCOL}, but it can't be read: {error}") from None
    _check(envelope, messages)
    return Opened(envelope, messages, len(frame))


def _check(envelope: Envelope, messages: list[FromWorker]) -> None:
    count = len(messages)
    hellos = sum(isinstance(message, Hello) for message in messages)
    if hellos and count > 1:
        raise _bad(f"`hello` comes alone in its frame, but this one has {count} messages.")
    if not hellos and envelope.protocol != PROTOCOL:
        raise _bad(f"Expected a frame of protocol {PROTOCOL}, got protocol {envelope.protocol}.")
    if envelope.seq < 0 or envelope.ack < 0:
        raise _bad(f"seq and ack are 0 or more, but this frame has {envelope.seq} and {envelope.ack}.")
    loose = sum(isinstance(message, LOOSE_FROM_WORKER) for message in messages)
    if envelope.seq == 0 and loose < count:
        raise _bad("A frame without a number has loose messages only, but this one has others.")
    if envelope.seq > 0 and (loose or count == 0):
        raise _bad("A numbered frame has numbered messages, and at least one of them.")
    for message in messages:
        if isinstance(message, Submit):
            for option in message.options.values():
                # It stands in the options, in its message, among others, in the frame.
                check_nesting(option, outside=4)


def _bad(sentence: str) -> FrameRefused:
    return FrameRefused("BAD_FRAME", sentence)


def encode_message(message: FromServer) -> msgspec.Raw:
    """A message as it will stand in its frame: so that its size is known before the frame is made."""
    return msgspec.Raw(_encoder.encode(message))


def seal_frame(epoch: str, seq: int, ack: int, messages: Items[FromServer | msgspec.Raw]) -> bytes:
    return _encoder.encode(_Outgoing(PROTOCOL, epoch, seq, ack, messages))
