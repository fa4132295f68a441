"""The attempts that a server holds: running, or ended with a result that isn't recorded yet."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rayferry.bridge.messages import AttemptKey, Phase, Result, Run, StartedMessage
from rayferry.outcome import Outcome, Place
from rayferry.server.results import Kept, Results
from rayferry.server.runner import Handle
from rayferry.server.verdict import verdict

# A kill that Ray lost is asked for again this often.
KILL_AGAIN_SECONDS = 2.0


class Held:
    def __init__(self, execution: str, fence: int, holder: str) -> None:
        self.execution = execution
        self.fence = fence
        self.holder = self.submitted_by = holder
        self.handle: Handle | None = None
        self.place: Place | None = None
        self.started_at = 0.0
        self.outcome: Outcome | None = None
        self.ended_at = 0.0
        self.cancel_asked = False
        self.withdraw_asked = False
        self.killed = False
        self.kill_at: float | None = None
        # Nobody wants its result any more: forgotten as soon as it has ended.
        self.discarded = False
        self.logs_dropped = 0
        self._value: Kept | None = None

    @property
    def key(self) -> AttemptKey:
        return self.execution, self.fence

    @property
    def phase(self) -> Phase:
        if self.outcome is not None:
            return "ENDED"
        return "SUBMITTED" if self.place is None else "RUNNING"

    def ask_cancel(self, grace_seconds: float, now: float) -> None:
        """Of two cancels the earlier kill counts."""
        self.cancel_asked = True
        kill_at = now + grace_seconds
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def start(self, place: Place, at: float) -> None:
        self.place, self.started_at = place, at

    def end(self, outcome: Outcome, at: float, results: Results) -> None:
        if outcome.value is not None:
            self._value = results.keep(outcome.value)
            outcome = msgspec.structs.replace(outcome, value=None)
        self.outcome, self.ended_at = outcome, at
        # The runner's reference may pin memory on the cluster.
        self.handle = self.kill_at = None

    def let_go(self, results: Results) -> None:
        if self._value is not None:
            results.drop(self._value)
            self._value = None

    def started(self, now: float) -> StartedMessage | None:
        """None where the result is there already, or nothing is known of its start."""
        place = self.place
        if place is None or self.outcome is not None:
            return None
        age = max(0.0, now - self.started_at)
        run = Run(place.ray_task_id, place.node_id, place.worker_id, place.pid, None, age)
        return StartedMessage(self.execution, self.fence, run)

    def result(self, now: float, results: Results) -> Result | None:
        """None while it hasn't ended."""
        outcome = self.outcome
        if outcome is None:
            return None
        word, error = verdict(outcome, self.cancel_asked, self.killed, self.withdraw_asked)
        succeeded = word == "SUCCEEDED"
        return Result(
            execution=self.execution,
            fence=self.fence,
            outcome=word,
            content_type=outcome.content_type if succeeded else None,
            value=results.read(self._value) if succeeded and self._value is not None else None,
            error=error,
            run=Run(
                ray_task_id=outcome.ray_task_id,
                node_id=outcome.node_id,
                worker_id=outcome.worker_id,
                pid=outcome.pid,
                run_seconds=outcome.run_seconds,
                age_seconds=max(0.0, now - self.ended_at),
            ),
        )


class HeldAttempts:
    def __init__(self) -> None:
        self._all: dict[AttemptKey, Held] = {}
        self._fences: dict[str, set[int]] = {}
        # Counted, not looked for: heartbeats ask each second, with 10,000 held.
        self.running = 0
        # The loop asks for overdue ones each time around.
        self._cancelling: set[Held] = set()

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def get(self, execution: str, fence: int) -> Held | None:
        return self._all.get((execution, fence))

    def newest_fence(self, execution: str) -> int:
        return max(self._fences.get(execution, ()), default=0)

    def older_running(self, execution: str, fence: int) -> list[Held]:
        older = [self._all[(execution, each)] for each in self._fences.get(execution, ()) if each < fence]
        return [held for held in older if held.outcome is None]

    def add(self, execution: str, fence: int, holder: str) -> Held:
        held = Held(execution, fence, holder)
        self._all[held.key] = held
        self._fences.setdefault(execution, set()).add(fence)
        self.running += 1
        return held

    def ask_cancel(self, held: Held, grace_seconds: float, now: float) -> None:
        held.ask_cancel(grace_seconds, now)
        self._cancelling.add(held)

    def end(self, held: Held, outcome: Outcome, at: float, results: Results) -> None:
        held.end(outcome, at, results)
        self._cancelling.discard(held)
        self.running -= 1

    def forget(self, held: Held, results: Results) -> None:
        if self._all.pop(held.key, None) is None:
            return
        if held.outcome is None:
            self.running -= 1
        self._cancelling.discard(held)
        held.let_go(results)
        fences = self._fences[held.execution]
        fences.discard(held.fence)
        if not fences:
            del self._fences[held.execution]

    def to_kill(self, now: float) -> list[Held]:
        """Those whose grace is over. Each comes up again while its kill shows no effect."""
        due = [held for held in self._cancelling if held.kill_at is not None and held.kill_at <= now]
        for held in due:
            held.kill_at = now + KILL_AGAIN_SECONDS
            held.killed = True
        return due
