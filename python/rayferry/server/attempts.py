"""What a server does with the attempts that it is told of: submit, cancel, forget. Each returns the answers to send."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rayferry.bridge.messages import Accepted, AttemptKey, Cancel, FromServer, Recorded, Rejected, Result, Submit
from rayferry.log import Log
from rayferry.outcome import Outcome, failed
from rayferry.registry import Registry
from rayferry.server.held import Held, HeldAttempts
from rayferry.server.runner import Attempt, Runner


class Attempts:
    def __init__(
        self, runner: Runner, registry: Registry, note_done: Callable[[Held, Outcome], None], log: Log
    ) -> None:
        self._runner = runner
        self._tasks = {task.name: task for task in registry.tasks}
        self._failed_modules = ", ".join(failure.module for failure in registry.failures)
        self._note_done = note_done
        self._log = log
        self._held = HeldAttempts()

    def submit(self, message: Submit, now: float, stopping: bool) -> list[FromServer]:
        execution, fence = message.execution, message.fence
        held = self._held.get(execution, fence)
        if held is not None:
            accepted = Accepted(execution, fence)
            return [accepted] if held.outcome is None else [accepted, held.result(now)]
        if stopping:
            return [Rejected(execution, fence, "STOPPING", "This server is stopping. Submit it to another one.")]
        newest = self._held.newest_fence(execution)
        if newest > fence:
            sentence = f"This server holds attempt {newest} of the execution, which is newer than {fence}."
            return [Rejected(execution, fence, "STALE_FENCE", sentence)]
        task = self._tasks.get(message.task)
        if task is None:
            return [Rejected(execution, fence, "UNKNOWN_TASK", self._unknown(message.task))]
        for older in self._held.older_running(execution, fence):
            # Nobody may record it any more, and two attempts of one execution must not overlap.
            self._log("warn", "A newer attempt came: killing the older.", execution=execution, fence=older.fence)
            older.ask_cancel(0, now)
        self.kill_overdue(now)
        attempt = Attempt(execution, fence, message.attempt, task, message.content_type, message.input)
        self._start(self._held.add(execution, fence), attempt)
        return [Accepted(execution, fence)]

    def cancel(self, message: Cancel, now: float) -> list[FromServer]:
        held = self._held.get(message.execution, message.fence)
        if held is None:
            sentence = "This server doesn't hold this attempt: it was never submitted here, or its result is recorded."
            return [Rejected(message.execution, message.fence, "UNKNOWN_EXECUTION", sentence)]
        if held.outcome is not None:
            return [held.result(now)]
        first = not held.cancel_asked
        held.ask_cancel(message.grace_seconds, now)
        if message.grace_seconds > 0 and first:
            self._interrupt(held, force=False)
        self.kill_overdue(now)
        return []

    def forget(self, message: Recorded) -> list[FromServer]:
        for execution, fence in message.attempts:
            held = self._held.get(execution, fence)
            # One that still runs was never reported: the worker can't have recorded it.
            if held is not None and held.outcome is not None:
                self._held.forget(execution, fence)
        return []

    def kill_overdue(self, now: float) -> None:
        for held in self._held.to_kill(now):
            self._interrupt(held, force=True)

    def results(self, now: float) -> list[Result]:
        return [held.result(now) for held in self._held.ended()]

    def keys(self) -> list[AttemptKey]:
        return [held.key for held in self._held]

    def counts(self) -> tuple[int, int]:
        """(running, unrecorded)"""
        return len(self._held.running()), len(self._held.ended())

    def _start(self, held: Held, attempt: Attempt) -> None:
        try:
            held.handle = self._runner.submit(attempt, partial(self._note_done, held))
        except Exception as error:
            self._log("error", "The runner refused an attempt.", execution=held.execution, reason=str(error))
            sentence = f"It couldn't be started: {type(error).__name__}: {error}"
            self._note_done(held, failed("RayError", sentence, "LOST"))

    def _interrupt(self, held: Held, force: bool) -> None:
        try:
            if held.handle is not None:
                self._runner.cancel(held.handle, force)
        except Exception as error:
            # It is asked for again when the grace is over.
            self._log("error", "The runner refused a cancel.", execution=held.execution, reason=str(error))

    def _unknown(self, name: str) -> str:
        known = ", ".join(sorted(self._tasks)[:20]) or "none"
        hint = f" Modules that can't be imported: {self._failed_modules}." if self._failed_modules else ""
        return f"No task {name!r} is registered with this server. Registered: {known}.{hint}"
