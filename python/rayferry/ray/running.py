"""One attempt on Ray: what its process says over the task link, and what Ray says, put together.

Threads: the server's calls `interrupt`, `kill` and `withdraw`; the hub's calls what its Listener has; one of Ray's
brings the return value. Each only sets a flag and goes on; where two meet, either order is right.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import ray
from ray.exceptions import WorkerCrashedError

from rayferry.member import LogLevel
from rayferry.outcome import Outcome, Place, decode_outcome, failed
from rayferry.ray.failure import outcome_of
from rayferry.server.runner import Attempt, Events
from rayferry.tasklink.hub import Process, TaskHub
from rayferry.tasklink.messages import LeavingFor

# From telling every process not to begin an attempt to asking Ray. By then one that had begun it has said so, or has
# ended. For Ray 2.60 aborts the driver, and with it every attempt ("Tried to complete task that was not pending"), over
# a cancel, forced or not, of a task that has ended in its process and whose answer is under way: within some 200 of
# them. This way 6,400 cancels and withdrawals of short attempts that were just being run came to no harm.
TAKE_BACK_SECONDS = 0.1
# For what a process that crashed said before. Only where it may have been its timeout.
LAST_WORDS_SECONDS = 0.2


class Running:
    def __init__(
        self, attempt: Attempt, events: Events, hub: TaskHub, on_end: Callable[[Running, object], None]
    ) -> None:
        self.execution = attempt.execution
        self.fence = attempt.fence
        # The process in which its code runs, once that has said so.
        self.begun_in: Process | None = None
        self._events = events
        self._hub = hub
        self._on_end = on_end
        self._ref: Any = None
        # Its process has said how it ended; then Ray has.
        self._answered = False
        self._ended = False
        self._leaving = False
        self._timeout = attempt.timeout
        self._timed_out = False
        self._cancel_asked = False
        self._kill_asked = False
        self._withdraw_asked = False

    def follow(self, ref: Any) -> None:
        self._ref = ref
        # Private, but what ObjectRef.future() is made of; of all ways to hear of 10,000 results it costs least, and
        # needs no thread of ours.
        ref._on_completed(self._completed)

    def interrupt(self) -> None:
        self._cancel_asked = True
        if self.begun_in is not None:
            self._hub.cancel(self.execution, self.fence)
        else:
            # Where it has just begun, `begun` asks again.
            self._take_back()

    def kill(self, seconds: float) -> None:
        """By its own process; by Ray, if it hasn't answered within `seconds` or was told before."""
        if self._answered:
            return
        self._cancel_asked = self._kill_asked = True
        if self._leaving:
            self.kill_by_ray()
        elif self.begun_in is None:
            # Nothing of it runs, most likely: no process has to die for it.
            self._take_back()
            self._hub.after(TAKE_BACK_SECONDS + seconds, self._kill_unanswered)
        else:
            self.leave()
            self._hub.after(seconds, self._kill_unanswered)

    def leave(self) -> None:
        self._hub.cancel(self.execution, self.fence, hard=True)

    def kill_by_ray(self) -> None:
        self._cancel_by_ray(force=True)

    def hold(self) -> None:
        """It doesn't begin any more, if it hasn't begun."""
        self._hub.withdraw(self.execution, self.fence)

    def withdraw(self) -> None:
        if self.begun_in is None:
            self._withdraw_asked = True
            self._take_back()

    def begun(self, process: Process, ray_task_id: str | None) -> None:
        first = self.begun_in is None
        self.begun_in = process
        if first:
            self._events.started(Place(ray_task_id, process.node_id, process.worker_id, process.pid))
        if self._cancel_asked:
            self._hub.cancel(self.execution, self.fence, hard=self._kill_asked)

    def progress(self, current: float, total: float | None, message: str | None) -> None:
        self._events.progress(current, total, message)

    def log(self, level: LogLevel, text: str, dropped: int) -> None:
        if dropped:
            self._events.log("warn", f"{dropped} pieces of the log were dropped here: they came too fast.")
        self._events.log(level, text)

    def ended(self, outcome: Outcome) -> None:
        self._answered = True
        self._events.done(outcome)

    def leaving(self, why: LeavingFor) -> None:
        self._leaving = True
        self._timed_out = why == "timeout"

    def _take_back(self) -> None:
        self.hold()
        self._hub.after(TAKE_BACK_SECONDS, self._cancel_waiting)

    def _cancel_waiting(self) -> None:
        if self.begun_in is None:
            self._cancel_by_ray(force=False)

    def _cancel_by_ray(self, force: bool) -> None:
        ref = self._ref
        if not self._answered and not self._ended and ref is not None:
            ray.cancel(ref, force=force)

    def _kill_unanswered(self) -> None:
        if not self._leaving:
            self.kill_by_ray()

    def _completed(self, value: object) -> None:
        # In a thread of Ray's, which swallows what is raised here.
        self._ended = True
        if self._timeout is not None and isinstance(value, WorkerCrashedError) and not self._timed_out:
            # Its last words may be in the hub's socket still: that it ended for its timeout.
            at = time.monotonic()
            self._hub.after(LAST_WORDS_SECONDS, lambda: self._finish(value, time.monotonic() - at))
        else:
            self._finish(value, 0.0)

    def _finish(self, value: object, age_seconds: float) -> None:
        self._hub.forget(self.execution, self.fence)
        self._on_end(self, value)
        self._events.done(self._outcome(value), age_seconds)
        # It may pin memory on the cluster, and the hub keeps us a little longer, for late logs.
        self._ref = None

    def _outcome(self, value: object) -> Outcome:
        try:
            outcome = outcome_of(value) if isinstance(value, BaseException) else decode_outcome(value)  # type: ignore[arg-type]
            outcome = msgspec.structs.replace(outcome, ray_task_id=self._ref.task_id().hex())
        except Exception as error:
            return failed("RayError", f"Ray's answer can't be read: {type(error).__name__}: {error}", "LOST")
        if self._timed_out and self._timeout is not None and isinstance(value, WorkerCrashedError):
            return msgspec.structs.replace(outcome, ending="TIMED_OUT", error=self._timeout.killed())
        if self._cancel_asked:
            return self._cancelled(outcome)
        return self._withdrawn(outcome) if self._withdraw_asked else outcome

    def _cancelled(self, outcome: Outcome) -> Outcome:
        if outcome.ending == "WITHDRAWN":
            return failed("Cancelled", "It was cancelled before it began.", "CANCELLED")
        return outcome

    def _withdrawn(self, outcome: Outcome) -> Outcome:
        """What Ray's interrupt did to an attempt that was to be withdrawn."""
        if outcome.ending == "CANCELLED":
            return failed("Withdrawn", "It was withdrawn before it began.", "WITHDRAWN")
        return outcome
