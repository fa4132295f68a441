"""Frames: [protocol, epoch, seq, ack, messages]. Numbers are bridge/delivery.py's business."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rayferry.bridge.fields import PROTOCOL
from rayferry.bridge.from_server import FromServer
from rayferry.bridge.from_worker import LOOSE_FROM_WORKER, FromWorker, Hello, Submit
from rayferry.bridge.limits import check_nesting
from rayferry.errors import FrameRefused

MAX_FRAME = 64 * 1024 * 1024
MAX_MESSAGES = 10_000
_LOOSE = frozenset(LOOSE_FROM_WORKER)


class Envelope(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    protocol: int
    epoch: str | None
    seq: int
    ack: int
    messages: Annotated[list[FromWorker], msgspec.Meta(max_length=MAX_MESSAGES)]


class Opened(msgspec.Struct, frozen=True):
    envelope: Envelope
    messages: list[FromWorker]
    size: int

    @property
    def hello(self) -> Hello | None:
        first = self.messages[0] if self.messages else None
        return first if isinstance(first, Hello) else None


_decode = msgspec.msgpack.Decoder(Envelope).decode
_encode = msgspec.msgpack.Encoder().encode


def open_frame(frame: bytes) -> Opened:
    """Raises FrameRefused for whatever isn't a frame of a worker."""
    if len(frame) > MAX_FRAME:
        raise FrameRefused(
            "TOO_LARGE", f"The frame is {len(frame):,} bytes; the limit is {MAX_FRAME:,}. Send less at once."
        )
    try:
        envelope = _decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise _bad(f"Expected a frame of protocol {PROTOCOL}, but it can't be read: {error}") from None
    _check(envelope)
    return Opened(envelope, envelope.messages, len(frame))


def _check(envelope: Envelope) -> None:
    messages = envelope.messages
    # By kind, not by message: there may be 10,000.
    kinds = set(map(type, messages))
    if Hello in kinds and len(messages) > 1:
        raise _bad(f"`hello` comes alone in its frame, but this one has {len(messages)} messages.")
    if Hello not in kinds and envelope.protocol != PROTOCOL:
        raise _bad(f"Expected a frame of protocol {PROTOCOL}, got protocol {envelope.protocol}.")
    if envelope.seq < 0 or envelope.ack < 0:
        raise _bad(f"seq and ack are 0 or more, but this frame has {envelope.seq} and {envelope.ack}.")
    if envelope.seq == 0 and kinds - _LOOSE:
        raise _bad("A frame without a number has loose messages only, but this one has others.")
    if envelope.seq > 0 and (kinds & _LOOSE or not messages):
        raise _bad("A numbered frame has numbered messages, and at least one of them.")
    if Submit in kinds:
        for message in messages:
            if isinstance(message, Submit) and message.options:
                for option in message.options.values():
                    # It stands in the options, in its message, among others, in the frame.
                    check_nesting(option, outside=4)


def _bad(sentence: str) -> FrameRefused:
    return FrameRefused("BAD_FRAME", sentence)


def encode_message(message: FromServer) -> bytes:
    """A message as it will stand in its frame: so that its size is known before the frame is made."""
    return _encode(message)


def seal_frame(epoch: str, seq: int, ack: int, parts: list[bytes]) -> bytes:
    """A frame of encoded messages: what is encoded already is only copied."""
    head = _encode((PROTOCOL, epoch, seq, ack))
    # An array of five: of these four, and of the array of the messages.
    return b"".join([b"\x95", head[1:], _array_head(len(parts)), *parts])


def _array_head(length: int) -> bytes:
    """MessagePack's, for up to 65,535 elements."""
    return bytes([0x90 | length]) if length < 16 else b"\xdc" + length.to_bytes(2, "big")
