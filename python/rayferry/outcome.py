"""How an attempt ended, as a runner says it. What the wrapper returns through Ray is this, as MessagePack: no value or
exception of the user's crosses Ray, so nothing has to be unpickled on the other side."""

from __future__ import annotations

from typing import Literal

import msgspec

# INTERRUPTED: a KeyboardInterrupt ended it. Only the server knows whether a cancel was asked for.
# WITHDRAWN: it was taken back before its code began.
Ending = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "SNOOZED", "CANCELLED", "LOST", "INTERRUPTED", "WITHDRAWN"]


class ErrorInfo(msgspec.Struct, frozen=True):
    """`error` of a `result`. `type` and `bases` are class names, module-qualified unless built in."""

    code: str
    type: str
    bases: list[str]
    message: str
    traceback: str | None


class Again(msgspec.Struct, frozen=True):
    """What the task asked for by raising Retry, NoRetry or Snooze. `after_seconds` None: by the policy."""

    retry: bool
    after_seconds: float | None


class Place(msgspec.Struct, frozen=True):
    """Where an attempt runs."""

    ray_task_id: str | None
    node_id: str | None
    worker_id: str | None
    pid: int | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    ending: Ending
    content_type: str | None = None
    value: bytes | None = None
    error: ErrorInfo | None = None
    again: Again | None = None
    ray_task_id: str | None = None
    node_id: str | None = None
    worker_id: str | None = None
    pid: int | None = None
    # None where it never started.
    run_seconds: float | None = None


def class_name(kind: type) -> str:
    """As `type` and `bases` of an error have it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def failed(code: str, message: str, ending: Ending = "FAILED") -> Outcome:
    """An ending that comes from the machinery, not from the task's own code."""
    return Outcome(ending=ending, error=ErrorInfo(code, code, [], message, None))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outcome)


def encode_outcome(outcome: Outcome) -> bytes:
    return _encoder.encode(outcome)


def decode_outcome(data: bytes) -> Outcome:
    return _decoder.decode(data)
