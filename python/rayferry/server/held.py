"""The attempts that a server holds: running, or ended with a result that isn't recorded yet."""

from __future__ import annotations

from collections.abc import Iterator

from rayferry.bridge.messages import AttemptKey, Result, Run
from rayferry.outcome import Outcome
from rayferry.server.runner import Handle
from rayferry.server.verdict import verdict

# A kill that Ray lost is asked for again this often.
KILL_AGAIN_SECONDS = 2.0


class Held:
    def __init__(self, execution: str, fence: int) -> None:
        self.execution = execution
        self.fence = fence
        self.handle: Handle | None = None
        self.outcome: Outcome | None = None
        self.ended_at = 0.0
        self.cancel_asked = False
        self.killed = False
        self.kill_at: float | None = None

    @property
    def key(self) -> AttemptKey:
        return self.execution, self.fence

    def ask_cancel(self, grace_seconds: float, now: float) -> None:
        """Of two cancels the earlier kill counts."""
        self.cancel_asked = True
        kill_at = now + grace_seconds
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def end(self, outcome: Outcome, at: float) -> None:
        self.outcome, self.ended_at = outcome, at
        # The runner's reference may pin memory on the cluster.
        self.handle = self.kill_at = None

    def result(self, now: float) -> Result:
        """Only for one that has ended."""
        outcome = self.outcome
        assert outcome is not None
        word, error = verdict(outcome, self.cancel_asked, self.killed)
        succeeded = word == "SUCCEEDED"
        return Result(
            execution=self.execution,
            fence=self.fence,
            outcome=word,
            content_type=outcome.content_type if succeeded else None,
            value=outcome.value if succeeded else None,
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

    def __iter__(self) -> Iterator[Held]:
        return iter(self._all.values())

    def get(self, execution: str, fence: int) -> Held | None:
        return self._all.get((execution, fence))

    def newest_fence(self, execution: str) -> int:
        return max(self._fences.get(execution, ()), default=0)

    def older_running(self, execution: str, fence: int) -> list[Held]:
        older = [self._all[(execution, each)] for each in self._fences.get(execution, ()) if each < fence]
        return [held for held in older if held.outcome is None]

    def add(self, execution: str, fence: int) -> Held:
        held = Held(execution, fence)
        self._all[held.key] = held
        self._fences.setdefault(execution, set()).add(fence)
        return held

    def forget(self, execution: str, fence: int) -> None:
        if self._all.pop((execution, fence), None) is None:
            return
        fences = self._fences[execution]
        fences.discard(fence)
        if not fences:
            del self._fences[execution]

    def running(self) -> list[Held]:
        return [held for held in self if held.outcome is None]

    def ended(self) -> list[Held]:
        return [held for held in self if held.outcome is not None]

    def to_kill(self, now: float) -> list[Held]:
        """Those whose grace is over. Each comes up again while its kill shows no effect."""
        due = [held for held in self if held.kill_at is not None and held.kill_at <= now]
        for held in due:
            held.kill_at = now + KILL_AGAIN_SECONDS
            held.killed = True
        return due
