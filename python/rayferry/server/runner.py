"""What a server needs of whatever runs its attempts."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from rayferry.bridge.fields import ClusterFacts, ClusterInfo, LogLevel
from rayferry.outcome import Outcome, Place
from rayferry.registry import Registry, TaskEntry
from rayferry.timeouts import Timeout


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """What a runner needs to know of an attempt."""

    execution: str
    fence: int
    number: int
    task: TaskEntry
    content_type: str
    input: bytes
    timeout: Timeout | None = None


class Started(msgspec.Struct, frozen=True):
    """What a runner found when it started. `cluster` is None without Ray."""

    cluster: ClusterInfo | None
    registry: Registry


# A runner's own reference to a running attempt.
Handle = Any


class Events(Protocol):
    """What a runner tells of one attempt: from any thread, also from inside `submit`."""

    def started(self, place: Place) -> None:
        """Its code began. At most once; may be left out, and may come after `done`, which then counts."""

    def progress(self, current: float, total: float | None, message: str | None) -> None:
        """What it last said of its progress."""

    def log(self, level: LogLevel, text: str) -> None:
        """A piece of what it logged or printed."""

    def done(self, outcome: Outcome, age_seconds: float = 0.0) -> None:
        """How it ended, so long ago. Of several calls the first counts: a push and Ray's own return value may both
        bring it."""


class Runner(Protocol):
    def start(self) -> Started:
        """Called once, before anything else. Raises StartError."""

    def submit(self, attempt: Attempt, events: Events) -> Handle:
        """Start an attempt. Whatever runs it keeps its timeout, if it can."""

    def cancel(self, handle: Handle, force: bool) -> None:
        """Interrupt it, or with `force` kill its process. `done` says what became of it."""

    def withdraw(self, handle: Handle) -> None:
        """Take it back if its code hasn't begun: `done` says WITHDRAWN then. One that began meanwhile goes on, or
        where that can't be had, is LOST."""

    def grant(self, seconds: float) -> None:
        """Each second: for how long from now attempts may go on. What this can't reach in time stops by itself."""

    def cluster(self) -> ClusterFacts | None:
        """What Ray has and has free, and whether it answers; None without Ray, or before it was asked. Asked each
        second: must answer at once."""

    def trouble(self) -> str | None:
        """Why it can't run anything any more; None while it can. Asked each second: must answer at once."""

    def stop(self) -> None:
        """Stop whatever runs, at once. `done` may or may not be called for it."""
