"""A runner whose attempts do what the test says, when it says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rayferry.bridge.fields import AttemptKey, ClusterFacts
from rayferry.outcome import Outcome, Place, failed
from rayferry.registry import Registry, TaskEntry
from rayferry.server.runner import Attempt, Events, Started

TASK = TaskEntry("run", "tasks", "run", None, "function", "default", 1.0, None, [])


@dataclass(eq=False)
class Scripted:
    """One attempt, from `submit` to its end."""

    attempt: Attempt
    events: Events
    started: bool = False
    interrupted: bool = False
    killed: bool = False

    @property
    def execution(self) -> str:
        return self.attempt.execution

    @property
    def key(self) -> AttemptKey:
        return self.attempt.execution, self.attempt.fence


class ScriptedRunner:
    def __init__(self) -> None:
        self.live: list[Scripted] = []
        # How often each attempt was submitted.
        self.submitted: Counter[AttemptKey] = Counter()
        self.granted: list[float] = []
        self.facts: ClusterFacts | None = None

    def start(self) -> Started:
        return Started(None, Registry([TASK], []))

    def submit(self, attempt: Attempt, events: Events) -> Scripted:
        scripted = Scripted(attempt, events)
        self.submitted[scripted.key] += 1
        self.live.append(scripted)
        return scripted

    def cancel(self, handle: Scripted, force: bool) -> None:
        """Takes note: dying takes its time, and is `die`'s business."""
        handle.killed |= force
        handle.interrupted = True

    def withdraw(self, handle: Scripted) -> None:
        if handle in self.live and not handle.started:
            self._end(handle, failed("Cancelled", "It was taken back.", "WITHDRAWN"))

    def grant(self, seconds: float) -> None:
        self.granted.append(seconds)

    def cluster(self) -> ClusterFacts | None:
        return self.facts

    def trouble(self) -> str | None:
        return None

    def stop(self) -> None:
        self.live.clear()

    def begin(self, handle: Scripted) -> None:
        handle.started = True
        handle.events.started(Place("task", "node", "worker", 7))

    def succeed(self, handle: Scripted, value: bytes | None = None) -> None:
        """With a value that names the attempt, unless another is given."""
        said = value if value is not None else b"%s/%d" % (handle.execution.encode(), handle.attempt.fence)
        self._end(handle, Outcome(ending="SUCCEEDED", content_type="application/msgpack", value=said, run_seconds=0.1))

    def die(self, handle: Scripted) -> None:
        """What an interrupt or a kill does, in the end."""
        self._end(handle, failed("Cancelled", "It was interrupted.", "INTERRUPTED"))

    def crash(self, handle: Scripted) -> None:
        self._end(handle, failed("ProcessCrashed", "The process died.", "LOST"))

    def _end(self, handle: Scripted, outcome: Outcome) -> None:
        if handle in self.live:
            self.live.remove(handle)
            handle.events.done(outcome)
            # Told twice, as by a push and by Ray's own return value: the first counts.
            handle.events.done(failed("NodeLost", "Too late to count.", "LOST"))
