"""The attempts that a server holds: running, or ended with a result that isn't recorded yet."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from rayferry.bridge.fields import AttemptKey, Phase, Run
from rayferry.bridge.from_server import Result, StartedMessage
from rayferry.outcome import ErrorInfo, Outcome, Place
from rayferry.server.results import Kept, Results
from rayferry.server.runner import Handle
from rayferry.server.verdict import verdict
from rayferry.timeouts import Timeout

# A kill that Ray lost is asked for again this often.
KILL_AGAIN_SECONDS = 2.0
# An attempt's process keeps its timeout by itself, in the worst case a second late. Where it couldn't, the server kills
# it this much later.
BACKUP_SECONDS = 1.5
# Within so long after it stood still a server has heard what happened meanwhile.
SETTLE_SECONDS = 0.5


class Held(msgspec.Struct, eq=False):
    """One attempt. A Struct, because 10,000 of them are held at once, and made in a tenth of a second."""

    execution: str
    fence: int
    holder: str
    submitted_by: str
    handle: Handle | None = None
    place: Place | None = None
    started_at: float = 0.0
    outcome: Outcome | None = None
    ended_at: float = 0.0
    cancel_asked: bool = False
    withdraw_asked: bool = False
    killed: bool = False
    kill_at: float | None = None
    # Nobody wants its result any more: forgotten as soon as it has ended.
    discarded: bool = False
    forgotten: bool = False
    timeout: Timeout | None = None
    # Its timeout and grace were over, and it hadn't ended.
    overran: bool = False
    # Its end was heard of when the server had stood still: nobody knows for how long it ran.
    heard_late: bool = False
    logs_dropped: int = 0
    _value: Kept | None = None
    _results: Results | None = None

    @property
    def key(self) -> AttemptKey:
        return self.execution, self.fence

    @property
    def phase(self) -> Phase:
        if self.outcome is not None:
            return "ENDED"
        return "SUBMITTED" if self.place is None else "RUNNING"

    @property
    def overrun_at(self) -> float:
        """When its process has failed to keep its timeout."""
        return math.inf if self.timeout is None else self.started_at + self.timeout.kill_seconds + BACKUP_SECONDS

    def ask_cancel(self, grace_seconds: float, now: float) -> None:
        """Of two cancels the earlier kill counts."""
        self.cancel_asked = True
        kill_at = now + grace_seconds
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def start(self, place: Place, at: float) -> None:
        self.place, self.started_at = place, at

    def end(self, outcome: Outcome, at: float, results: Results) -> None:
        if outcome.value is not None:
            self._results = results
            self._value = results.keep(outcome.value)
            if self._value.data is None:
                outcome = msgspec.structs.replace(outcome, value=None)
        self.outcome, self.ended_at = outcome, at
        # The runner's reference may pin memory on the cluster.
        self.handle = self.kill_at = None

    def forget(self) -> None:
        self.forgotten = True
        if self._value is not None and self._results is not None:
            self._results.drop(self._value)
            self._value = None

    def started(self, now: float) -> StartedMessage | None:
        """None where the result is there already, or nothing is known of its start."""
        place = self.place
        if place is None or self.outcome is not None:
            return None
        age = max(0.0, now - self.started_at)
        run = Run(place.ray_task_id, place.node_id, place.worker_id, place.pid, None, age)
        return StartedMessage(self.execution, self.fence, run)

    def result(self, now: float) -> Result | None:
        """When it is time to send it: None while it hasn't ended, and where it is recorded by then."""
        outcome = self.outcome
        if outcome is None or self.forgotten:
            return None
        word, error = verdict(outcome, self.cancel_asked, self.killed, self.withdraw_asked, self._overran())
        succeeded = word == "SUCCEEDED"
        return Result(
            self.execution,
            self.fence,
            word,
            outcome.content_type if succeeded else None,
            self._read_value() if succeeded else None,
            error,
            outcome.again if word in ("FAILED", "SNOOZED") else None,
            Run(
                outcome.ray_task_id,
                outcome.node_id,
                outcome.worker_id,
                outcome.pid,
                outcome.run_seconds,
                max(0.0, now - self.ended_at),
            ),
        )

    def _overran(self) -> ErrorInfo | None:
        if self.timeout is None or self.place is None:
            return None
        if self.overran or (not self.heard_late and self.timeout.has_killed(self.ended_at - self.started_at)):
            return self.timeout.killed()
        return None

    def _read_value(self) -> bytes | None:
        if self._value is None or self._results is None:
            return None
        return self._results.read(self._value)


class HeldAttempts:
    def __init__(self) -> None:
        # Nearly always there is one attempt of an execution.
        self._of: dict[str, tuple[Held, ...]] = {}
        # Counted, not looked for: heartbeats ask each second, with 10,000 held.
        self.running = 0
        self.ended = 0
        # The loop asks for overdue ones each time around.
        self._cancelling: set[Held] = set()
        # Those that have a timeout, looked through only when the first of them may be over.
        self._timed: set[Held] = set()
        self._look_at = math.inf
        self._settled_at = 0.0

    def __iter__(self) -> Iterator[Held]:
        return iter([held for attempts in self._of.values() for held in attempts])

    def of(self, execution: str) -> tuple[Held, ...]:
        return self._of.get(execution, ())

    def get(self, execution: str, fence: int) -> Held | None:
        for held in self._of.get(execution, ()):
            if held.fence == fence:
                return held
        return None

    def add(self, execution: str, fence: int, holder: str, timeout: Timeout | None = None) -> Held:
        held = Held(execution, fence, holder, holder, timeout=timeout)
        self._of[execution] = (*self._of.get(execution, ()), held)
        self.running += 1
        return held

    def ask_cancel(self, held: Held, grace_seconds: float, now: float) -> None:
        held.ask_cancel(grace_seconds, now)
        self._cancelling.add(held)

    def begin(self, held: Held, place: Place, at: float) -> None:
        held.start(place, at)
        # Its start may be heard after its end, or after it was given back: then nobody would take it out again.
        if held.timeout is not None and held.outcome is None and not held.forgotten:
            self._timed.add(held)
            self._look_at = min(self._look_at, held.overrun_at)

    def end(self, held: Held, outcome: Outcome, at: float, results: Results) -> None:
        held.end(outcome, at, results)
        held.heard_late = at < self._settled_at
        self._cancelling.discard(held)
        self._timed.discard(held)
        self.running -= 1
        self.ended += 1

    def forget(self, held: Held) -> None:
        if held.forgotten:
            return
        if held.outcome is None:
            self.running -= 1
        else:
            self.ended -= 1
        held.forget()
        self._cancelling.discard(held)
        self._timed.discard(held)
        attempts = self._of.pop(held.execution)
        if len(attempts) > 1:
            self._of[held.execution] = tuple(each for each in attempts if each is not held)

    def stood_still(self, now: float) -> None:
        """The server did, until now. What is overdue may have ended long ago: it is heard first. Of what crashed the
        infrastructure may have been the reason as well as its timeout, and then it is to be run again."""
        self._settled_at = now + SETTLE_SECONDS

    def to_kill(self, now: float) -> list[Held]:
        """Those whose grace is over. Each comes up again while its kill shows no effect."""
        if now >= max(self._look_at, self._settled_at):
            self._note_overrun(now)
        due = [held for held in self._cancelling if held.kill_at is not None and held.kill_at <= now]
        for held in due:
            held.kill_at = now + KILL_AGAIN_SECONDS
            held.killed = True
        return due

    def _note_overrun(self, now: float) -> None:
        for held in [each for each in self._timed if each.overrun_at <= now]:
            held.overran = True
            held.kill_at = now
            self._cancelling.add(held)
            self._timed.discard(held)
        self._look_at = min((held.overrun_at for held in self._timed), default=math.inf)
