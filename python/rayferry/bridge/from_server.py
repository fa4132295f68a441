"""Every message that a server sends. Arrays on the wire: the tag, then the fields in this order."""

from __future__ import annotations

from rayferry.bridge.fields import (
    ClusterFacts,
    ClusterInfo,
    Credit,
    FaultCode,
    Fence,
    LogLevel,
    Message,
    OutcomeWord,
    Phase,
    RefusedCode,
    RejectedCode,
    Run,
)
from rayferry.outcome import Again, ErrorInfo
from rayferry.registry import ModuleFailure, TaskEntry


class Welcome(Message, frozen=True, tag="welcome"):
    """Answer to a `hello` that is accepted."""

    protocol: int
    build: str
    epoch: str
    hello: int
    session: str
    resumed: bool
    received: int
    tick: float
    authority_seconds: float
    pid: int
    python: str
    generation: str | None
    cluster: ClusterInfo | None
    registry_digest: str
    credit: Credit
    capabilities: list[str]


class Refused(Message, frozen=True, tag="refused"):
    """Answer to a `hello` that isn't."""

    hello: int
    code: RefusedCode
    message: str


class RegistryMessage(Message, frozen=True, tag="registry"):
    """Follows the `welcome` of a new session: what can be run, and what can't be imported."""

    tasks: list[TaskEntry]
    failures: list[ModuleFailure]


class Inventory(Message, frozen=True, tag="inventory"):
    """Follows `registry`: everything that the server holds, as (execution, fence, holder, phase)."""

    attempts: list[tuple[str, Fence, str, Phase]]
    last: bool


class Accepted(Message, frozen=True, tag="accepted"):
    """The server has the attempt and will deliver a result for it."""

    execution: str
    fence: Fence


class Rejected(Message, frozen=True, tag="rejected"):
    """What was asked of this attempt isn't done."""

    execution: str
    fence: Fence
    code: RejectedCode
    message: str


class StartedMessage(Message, frozen=True, tag="started"):
    """The attempt's code began."""

    execution: str
    fence: Fence
    run: Run


class Progress(Message, frozen=True, tag="progress"):
    """What the task last said of its progress."""

    execution: str
    fence: Fence
    current: float
    total: float | None
    message: str | None


class LogMessage(Message, frozen=True, tag="log"):
    """A piece of what the task logged or printed; `dropped`: pieces dropped just before it."""

    execution: str
    fence: Fence
    level: LogLevel
    text: str
    age_seconds: float
    dropped: int


class Result(Message, frozen=True, tag="result"):
    """How the attempt ended. Kept until `recorded`."""

    execution: str
    fence: Fence
    outcome: OutcomeWord
    content_type: str | None
    value: bytes | None
    error: ErrorInfo | None
    again: Again | None
    run: Run


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """Each second, from the thread that does the work."""

    tick: float
    running: int
    unrecorded: int
    unrecorded_bytes: int
    accepting: bool


class ClusterMessage(Message, frozen=True, tag="cluster"):
    """What Ray has and has free: each 5 s."""

    cluster: ClusterFacts


class Gap(Message, frozen=True, tag="gap"):
    """Frames of the worker, or to it, were lost: it is to say `hello` with `resume`."""

    received: int


class Fault(Message, frozen=True, tag="fault"):
    """The other side broke the protocol; what it sent was not acted upon."""

    code: FaultCode
    message: str


FromServer = (
    Welcome
    | Refused
    | RegistryMessage
    | Inventory
    | Accepted
    | Rejected
    | StartedMessage
    | Progress
    | LogMessage
    | Result
    | Heartbeat
    | ClusterMessage
    | Gap
    | Fault
)
# May be lost, and are never sent again: alone or together in frames without a number.
LOOSE_FROM_SERVER = (Welcome, Refused, Progress, LogMessage, Heartbeat, ClusterMessage, Gap, Fault)
