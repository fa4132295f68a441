"""Every message that a worker sends. Arrays on the wire: the tag, then the fields in this order."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rayferry.bridge.fields import AttemptKeys, Count, Credit, Database, Fence, Message, Role, Seconds


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
# May be lost, and are never sent again: alone or together in frames without a number.
LOOSE_FROM_WORKER = (Hello, Authority, WorkerHeartbeat)
