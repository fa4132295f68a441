"""Every message of the bridge protocol, version 1. Arrays on the wire: the tag, then the fields in this order."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from rayferry.outcome import ErrorInfo
from rayferry.registry import ModuleFailure, TaskEntry

PROTOCOL = 1

Fence = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
AttemptKey = tuple[str, Fence]
RefusedCode = Literal["PROTOCOL_MISMATCH", "SESSION_TAKEN"]
RejectedCode = Literal["UNKNOWN_TASK", "UNKNOWN_EXECUTION", "STALE_FENCE", "STOPPING"]
FaultCode = Literal["BAD_FRAME", "BAD_SEQUENCE", "WRONG_EPOCH", "NO_SESSION", "TOO_LARGE"]
OutcomeWord = Literal["SUCCEEDED", "FAILED", "CANCELLED", "LOST"]


class Message(msgspec.Struct, array_like=True, frozen=True):
    pass


class Hello(Message, frozen=True, tag="hello"):
    """First message of a session."""

    protocol_min: int
    protocol_max: int
    build: str
    worker: str
    incarnation: str
    database_system_id: str | None
    capabilities: list[str]


class Submit(Message, frozen=True, tag="submit"):
    """Run this attempt."""

    execution: str
    fence: Fence
    attempt: Annotated[int, msgspec.Meta(ge=1)]
    task: str
    content_type: str
    input: bytes
    options: dict[str, Any]


class Cancel(Message, frozen=True, tag="cancel"):
    """Interrupt this attempt; kill it when it hasn't ended `grace_seconds` later."""

    execution: str
    fence: Fence
    grace_seconds: Annotated[float, msgspec.Meta(ge=0)]


class Recorded(Message, frozen=True, tag="recorded"):
    """Postgres knows what became of these attempts."""

    attempts: list[AttemptKey]


class Authority(Message, frozen=True, tag="authority"):
    """The lease was renewed; `tick` is the newest one received before."""

    tick: float


class Close(Message, frozen=True, tag="close"):
    """The end of the session, and of the server."""

    reason: str


class ClusterInfo(msgspec.Struct, frozen=True):
    address: str
    ray: str
    nodes: int
    cpus: float
    gpus: float


class Welcome(Message, frozen=True, tag="welcome"):
    """Answer to a `hello` that is accepted."""

    protocol: int
    build: str
    epoch: str
    tick: float
    pid: int
    python: str
    cluster: ClusterInfo | None
    registry_digest: str
    held: list[AttemptKey]


class Refused(Message, frozen=True, tag="refused"):
    """Answer to a `hello` that isn't."""

    code: RefusedCode
    message: str


class RegistryMessage(Message, frozen=True, tag="registry"):
    """Follows `welcome`: what can be run, and what can't be imported."""

    tasks: list[TaskEntry]
    failures: list[ModuleFailure]


class Accepted(Message, frozen=True, tag="accepted"):
    """The server has the attempt and will deliver a result for it."""

    execution: str
    fence: Fence


class Rejected(Message, frozen=True, tag="rejected"):
    """The server doesn't have the attempt and never will."""

    execution: str
    fence: Fence
    code: RejectedCode
    message: str


class Run(msgspec.Struct, frozen=True):
    ray_task_id: str | None
    node_id: str | None
    worker_id: str | None
    pid: int | None
    run_seconds: float | None
    age_seconds: float


class Result(Message, frozen=True, tag="result"):
    """How the attempt ended. Sent again after each `hello`, until `recorded`."""

    execution: str
    fence: Fence
    outcome: OutcomeWord
    content_type: str | None
    value: bytes | None
    error: ErrorInfo | None
    run: Run


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """Each second, from the thread that does the work."""

    tick: float
    running: int
    unrecorded: int


class Fault(Message, frozen=True, tag="fault"):
    """The other side broke the protocol; what it sent was not acted upon."""

    code: FaultCode
    message: str


FromWorker = Hello | Submit | Cancel | Recorded | Authority | Close
FromServer = Welcome | Refused | RegistryMessage | Accepted | Rejected | Result | Heartbeat | Fault
