"""Every message of the task link, version 1. Arrays on the wire: the tag, then the fields in this order. A ZeroMQ
message is one frame: an array of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from rayferry.member import LogLevel

PROTOCOL = 1
# Bigger frames are refused by ZeroMQ itself.
MAX_FRAME = 4 * 1024 * 1024
# Bigger results go by Ray alone.
MAX_PUSHED_RESULT = 64 * 1024
MAX_LOG_CHARACTERS = 16_384
MAX_PROGRESS_CHARACTERS = 1_000

Fence = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Key = tuple[str, int]
LeavingFor = Literal["cancel", "timeout"]


class Message(msgspec.Struct, array_like=True, frozen=True):
    pass


class Attached(Message, frozen=True, tag="attached"):
    """First message of a task process, and again after a while in which it heard nothing."""

    protocol: int
    worker_id: str | None
    node_id: str | None
    pid: int


class Tick(Message, frozen=True, tag="tick"):
    """Asks for authority. `tick` is a moment of the process's own clock."""

    tick: float


class Started(Message, frozen=True, tag="started"):
    """This attempt is the process's current one, until its result."""

    execution: str
    fence: Fence
    ray_task_id: str | None


class Progress(Message, frozen=True, tag="progress"):
    """What the attempt last said of its progress."""

    execution: str
    fence: Fence
    current: float
    total: float | None
    message: Annotated[str, msgspec.Meta(max_length=MAX_PROGRESS_CHARACTERS)] | None


class Log(Message, frozen=True, tag="log"):
    """A piece of what the attempt logged; `dropped` pieces before it are lost."""

    execution: str
    fence: Fence
    level: LogLevel
    text: Annotated[str, msgspec.Meta(max_length=MAX_LOG_CHARACTERS)]
    dropped: Annotated[int, msgspec.Meta(ge=0)]


class Result(Message, frozen=True, tag="result"):
    """How the attempt ended: the same bytes that Ray returns."""

    execution: str
    fence: Fence
    outcome: bytes


class Leaving(Message, frozen=True, tag="leaving"):
    """The last that the process says: it ends now, for a hard cancel or for the attempt's timeout."""

    execution: str
    fence: Fence
    why: LeavingFor


class Authority(Message, frozen=True, tag="authority"):
    """Attempts may go on for `seconds` from the moment `tick` of the process's own clock."""

    tick: float
    seconds: float


class Cancel(Message, frozen=True, tag="cancel"):
    """Interrupt the attempt, if it is the current one; `hard`: end the process."""

    execution: str
    fence: Fence
    hard: bool


class Withdraw(Message, frozen=True, tag="withdraw"):
    """Don't begin this attempt."""

    execution: str
    fence: Fence


class Acknowledged(Message, frozen=True, tag="acknowledged"):
    """How many `progress` and `log` the hub has taken from this process since it last attached."""

    received: Annotated[int, msgspec.Meta(ge=0)]


FromProcess = Attached | Tick | Started | Progress | Log | Result | Leaving
FromHub = Authority | Cancel | Withdraw | Acknowledged


class LinkAddress(msgspec.Struct, frozen=True):
    """Where a hub is, with the one key pair that it admits. Travels in a task's arguments, never in names or logs."""

    hub: str
    node_id: str | None
    ipc: str | None
    tcp: str | None
    server_key: bytes
    public_key: bytes
    secret_key: bytes

    def __repr__(self) -> str:
        return f"LinkAddress(hub={self.hub!r}, ipc={self.ipc!r}, tcp={self.tcp!r})"


_encoder = msgspec.msgpack.Encoder()
_from_process = msgspec.msgpack.Decoder(list[FromProcess])
_from_hub = msgspec.msgpack.Decoder(list[FromHub])
_address = msgspec.msgpack.Decoder(LinkAddress)
# What decoding of foreign bytes may raise.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError)


def encode_messages(messages: Sequence[Message]) -> bytes:
    return _encoder.encode(messages)


def decode_from_process(frame: bytes) -> list[FromProcess]:
    return _from_process.decode(frame)


def decode_from_hub(frame: bytes) -> list[FromHub]:
    return _from_hub.decode(frame)


def encode_address(address: LinkAddress) -> bytes:
    return _encoder.encode(address)


def decode_address(data: bytes) -> LinkAddress:
    return _address.decode(data)
