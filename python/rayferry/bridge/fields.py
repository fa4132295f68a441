"""What messages of the bridge protocol, version 1, are made of."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rayferry.seconds import MAX_SECONDS

PROTOCOL = 1
# Attempts in one message.
MAX_ATTEMPTS = 10_000

Fence = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
# More than every clock and timer can wait is refused here, where its sender hears of it.
Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)]
AttemptKey = tuple[str, Fence]
AttemptKeys = Annotated[list[AttemptKey], msgspec.Meta(max_length=MAX_ATTEMPTS)]
Role = Literal["submit", "drain"]
Phase = Literal["SUBMITTED", "RUNNING", "ENDED"]
RefusedCode = Literal["PROTOCOL_MISMATCH", "SESSION_TAKEN", "WRONG_DATABASE", "ENDING"]
RejectedCode = Literal["UNKNOWN_TASK", "UNKNOWN_EXECUTION", "STALE_FENCE", "ENDING", "WITHDRAWN", "NOT_HOLDER"]
FaultCode = Literal["BAD_FRAME", "BAD_SEQUENCE", "WRONG_EPOCH", "NO_SESSION", "BAD_STATE", "TOO_LARGE"]
OutcomeWord = Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "SNOOZED", "LOST"]
LogLevel = Literal["debug", "info", "warn", "error"]


class Message(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    """Without cycles: the collector needn't look at the ten thousand of a frame."""


class Credit(msgspec.Struct, frozen=True):
    """What the other side may have outstanding."""

    messages: Annotated[int, msgspec.Meta(ge=1)]
    bytes: Annotated[int, msgspec.Meta(ge=1)]


class Database(msgspec.Struct, frozen=True):
    system_id: str
    timeline: int


class ClusterInfo(msgspec.Struct, frozen=True):
    address: str
    ray: str
    nodes: int
    cpus: float
    gpus: float


class ClusterFacts(msgspec.Struct, frozen=True):
    """Memory in bytes; None where Ray never said. Not `reachable`: the rest is what it said last."""

    nodes: int | None
    cpus: float | None
    cpus_free: float | None
    gpus: float | None
    gpus_free: float | None
    memory: float | None
    memory_free: float | None
    reachable: bool


class Run(msgspec.Struct, frozen=True, gc=False):
    ray_task_id: str | None
    node_id: str | None
    worker_id: str | None
    pid: int | None
    run_seconds: float | None
    age_seconds: float
