"""Every message of the bridge protocol, version 1. Arrays on the wire: the tag, then the fields in this order."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rayferry.outcome import Again, ErrorInfo
from rayferry.registry import ModuleFailure, TaskEntry
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


class Hello(Message, frozen=True, tag="hello", forbid_unknown_fields=False):
    """After every connect. One of a later version may have more fields, and is read all the same."""

    protocol_min: int
    protocol_max: int
    build: str
    worker: str
    incarnation: str
    hello: Count
    role: Role
    replaces: list[str]
    resume: tuple[str, Count] | None
    database: Database | None
    credit: Credit
    capabilities: list[str]


class Submit(Message, frozen=True, tag="submit"):
    """Run this attempt."""

    execution: str
    fence: Fence
    attempt: Annotated[int, msgspec.Meta(ge=1)]
    task: str
    content_type: str
    input: bytes
    timeout_seconds: Seconds | None
    timeout_grace_seconds: Seconds
    # Open content, in version 1 nothing: not decoded before it is known to be bounded.
    options: dict[str, msgspec.Raw]


class Cancel(Message, frozen=True, tag="cancel"):
    """Interrupt this attempt; kill it when it hasn't ended `grace_seconds` later."""

    execution: str
    fence: Fence
    grace_seconds: Seconds


class Withdraw(Message, frozen=True, tag="withdraw"):
    """Give this attempt back if it hasn't started."""

    execution: str
    fence: Fence


class Recorded(Message, frozen=True, tag="recorded"):
    """Postgres knows what became of these attempts."""

    attempts: AttemptKeys


class Adopt(Message, frozen=True, tag="adopt"):
    """Postgres names this incarnation as the holder of these attempts now."""

    attempts: AttemptKeys


class Discard(Message, frozen=True, tag="discard"):
    """Postgres doesn't know these attempts any more: kill and forget them."""

    attempts: AttemptKeys


class InventoryRequest(Message, frozen=True, tag="inventory"):
    """Tell the inventory again."""


class Authority(Message, frozen=True, tag="authority"):
    """The lease was renewed; `tick` is the newest one received before."""

    tick: float


class WorkerHeartbeat(Message, frozen=True, tag="heartbeat"):
    """Each second, from the worker."""

    held: Count


class Retire(Message, frozen=True, tag="retire"):
    """Nothing will be submitted any more: end when nothing is held."""

    reason: str


class Close(Message, frozen=True, tag="close"):
    """The end of the session; with `stop`, of the server too."""

    reason: str
    stop: bool


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


class Run(msgspec.Struct, frozen=True, gc=False):
    ray_task_id: str | None
    node_id: str | None
    worker_id: str | None
    pid: int | None
    run_seconds: float | None
    age_seconds: float


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


FromWorker = (
    Hello
    | Submit
    | Cancel
    | Withdraw
    | Recorded
    | Adopt
    | Discard
    | InventoryRequest
    | Authority
    | WorkerHeartbeat
    | Retire
    | Close
)
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
LOOSE_FROM_WORKER = (Hello, Authority, WorkerHeartbeat)
LOOSE_FROM_SERVER = (Welcome, Refused, Progress, LogMessage, Heartbeat, ClusterMessage, Gap, Fault)
