"""What a server needs of whatever runs its attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from rayferry.bridge.messages import ClusterInfo
from rayferry.outcome import Outcome
from rayferry.registry import Registry, TaskEntry


class Attempt(msgspec.Struct, frozen=True):
    """What a runner needs to know of an attempt."""

    execution: str
    fence: int
    number: int
    task: TaskEntry
    content_type: str
    input: bytes


class Started(msgspec.Struct, frozen=True):
    """What a runner found when it started. `cluster` is None without Ray."""

    cluster: ClusterInfo | None
    registry: Registry


# A runner's own reference to a running attempt.
Handle = Any
OnDone = Callable[[Outcome], None]


class Runner(Protocol):
    def start(self) -> Started:
        """Called once, before anything else. Raises StartError."""

    def submit(self, attempt: Attempt, on_done: OnDone) -> Handle:
        """Start an attempt. `on_done` is called once, from any thread, also from inside this call."""

    def cancel(self, handle: Handle, force: bool) -> None:
        """Interrupt it, or with `force` kill its process. Its `on_done` says what became of it."""

    def trouble(self) -> str | None:
        """Why it can't run anything any more; None while it can. Asked each second: must answer at once."""

    def stop(self) -> None:
        """Stop whatever runs, at once. `on_done` may or may not be called for it."""
