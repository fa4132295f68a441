"""What a server does with the attempts that it is told of, one method a message. Each returns the answers to send."""

from __future__ import annotations

from collections.abc import Callable

from rayferry.bridge.fields import AttemptKey, Phase, RejectedCode
from rayferry.bridge.from_server import Accepted, FromServer, Rejected
from rayferry.bridge.from_worker import Adopt, Cancel, Discard, Recorded, Submit, Withdraw
from rayferry.log import Log
from rayferry.outcome import Outcome, Place, failed
from rayferry.registry import Registry
from rayferry.server.barred import Barred
from rayferry.server.held import Held, HeldAttempts
from rayferry.server.results import Results
from rayferry.server.runner import Attempt, Events, Runner
from rayferry.server.session import Later
from rayferry.timeouts import Timeout

Answer = FromServer | Later


class Attempts:
    def __init__(
        self,
        runner: Runner,
        registry: Registry,
        results: Results,
        events: Callable[[Held], Events],
        log: Log,
    ) -> None:
        self._runner = runner
        self._tasks = {task.name: task for task in registry.tasks}
        self._failed_modules = ", ".join(failure.module for failure in registry.failures)
        self._results = results
        self._events = events
        self._log = log
        self._held = HeldAttempts()
        self._barred = Barred()

    def submit(self, message: Submit, holder: str, now: float) -> list[Answer]:
        execution, fence = message.execution, message.fence
        newest = self._barred.newest(execution)
        present = self._held.of(execution)
        for held in present:
            if held.fence == fence:
                return self._submit_again(held, holder)
            newest = max(newest, held.fence)
        if newest >= fence:
            self._barred.add(execution, fence)
            sentence = f"This server holds attempt {newest} of the execution, or gave it back: {fence} isn't newer."
            return [Rejected(execution, fence, "STALE_FENCE", sentence)]
        task = self._tasks.get(message.task)
        if task is None:
            return [Rejected(execution, fence, "UNKNOWN_TASK", self._unknown(message.task))]
        for older in present:
            if older.outcome is None:
                # Nobody may record it any more, and two attempts of one execution must not overlap.
                self._log("warn", "A newer attempt came: killing the older.", execution=execution, fence=older.fence)
                self._kill(older, now)
        timeout = _timeout(message)
        attempt = Attempt(execution, fence, message.attempt, task, message.content_type, message.input, timeout)
        self._start(self._held.add(execution, fence, holder, timeout), attempt)
        return [Accepted(execution, fence)]

    def cancel(self, message: Cancel, holder: str, now: float) -> list[Answer]:
        held = self._of(message.execution, message.fence, holder)
        if not isinstance(held, Held):
            return [held]
        if held.outcome is not None:
            return [held.result]
        first = not held.cancel_asked
        self._held.ask_cancel(held, message.grace_seconds, now)
        if message.grace_seconds > 0 and first:
            self._interrupt(held, force=False)
        self.kill_overdue(now)
        return []

    def withdraw(self, message: Withdraw, holder: str) -> list[Answer]:
        held = self._of(message.execution, message.fence, holder)
        if not isinstance(held, Held):
            return [held]
        if held.phase == "SUBMITTED" and held.handle is not None and not held.withdraw_asked:
            held.withdraw_asked = True
            try:
                self._runner.withdraw(held.handle)
            except Exception as error:
                self._log("error", "The runner refused a withdrawal.", execution=held.execution, reason=str(error))
        return []

    def recorded(self, message: Recorded, holder: str) -> list[Answer]:
        answers: list[Answer] = []
        for execution, fence in message.attempts:
            held = self._held.get(execution, fence)
            if held is None:
                continue
            if held.holder != holder:
                answers.append(_not_holder(held))
            # One that still runs was never reported: the worker can't have recorded it.
            elif held.outcome is not None:
                if held.submitted_by != holder:
                    # Its former holder may still repeat its submit; what one session says comes in order.
                    self._barred.add(execution, fence)
                self._held.forget(held)
        return answers

    def adopt(self, message: Adopt, holder: str) -> list[Answer]:
        """What its new holder doesn't know of each: that it began, or how it ended."""
        answers: list[Answer] = []
        for execution, fence in message.attempts:
            held = self._held.get(execution, fence)
            if held is None:
                answers.append(self._unknown_execution(execution, fence))
            else:
                held.holder = holder
                answers.append(held.started if held.outcome is None else held.result)
        return answers

    def discard(self, message: Discard, now: float) -> None:
        for execution, fence in message.attempts:
            held = self._held.get(execution, fence)
            self._barred.add(execution, fence)
            if held is None:
                continue
            if held.outcome is not None:
                self._held.forget(held)
                continue
            self._log("info", "Postgres doesn't know it any more: killing it.", execution=execution, fence=fence)
            held.discarded = True
            self._kill(held, now)

    def begin(self, held: Held, place: Place, at: float) -> Later:
        """Note that its code began: what to say of it."""
        self._held.begin(held, place, at)
        return held.started

    def end(self, held: Held, outcome: Outcome, at: float) -> Later | None:
        """Note how it ended: what to say of it, if anything. Of two reports the first counts."""
        if held.outcome is not None or held.forgotten:
            return None
        withdrawn = outcome.ending == "WITHDRAWN" and held.withdraw_asked and not held.cancel_asked
        if held.discarded or withdrawn:
            self._barred.add(*held.key)
            self._held.forget(held)
            return None if held.discarded else lambda now: _withdrawn(held)
        self._held.end(held, outcome, at, self._results)
        return held.result

    def stood_still(self, now: float) -> None:
        """Until now the server has neither looked nor listened for a while."""
        self._held.stood_still(now)

    def kill_overdue(self, now: float) -> None:
        for held in self._held.to_kill(now):
            self._interrupt(held, force=True)

    def ended_of(self, holder: str) -> list[Held]:
        return [held for held in self._held if held.outcome is not None and held.holder == holder]

    def inventory(self) -> list[tuple[str, int, str, Phase]]:
        return [(held.execution, held.fence, held.holder, held.phase) for held in self._held if not held.discarded]

    def keys(self) -> list[AttemptKey]:
        return [held.key for held in self._held]

    def counts(self) -> tuple[int, int]:
        """(running, unrecorded)"""
        return self._held.running, self._held.ended

    def _submit_again(self, held: Held, holder: str) -> list[Answer]:
        if held.holder != holder:
            return [_not_holder(held)]
        accepted = Accepted(held.execution, held.fence)
        return [accepted] if held.outcome is None else [accepted, held.result]

    def _of(self, execution: str, fence: int, holder: str) -> Held | Rejected:
        held = self._held.get(execution, fence)
        if held is None:
            return self._unknown_execution(execution, fence)
        return held if held.holder == holder else _not_holder(held)

    def _start(self, held: Held, attempt: Attempt) -> None:
        events = self._events(held)
        try:
            held.handle = self._runner.submit(attempt, events)
        except Exception as error:
            self._log("error", "The runner refused an attempt.", execution=held.execution, reason=str(error))
            sentence = f"It couldn't be started: {type(error).__name__}: {error}"
            events.done(failed("RayError", sentence, "LOST"))

    def _kill(self, held: Held, now: float) -> None:
        self._held.ask_cancel(held, 0, now)
        self.kill_overdue(now)

    def _interrupt(self, held: Held, force: bool) -> None:
        try:
            if held.handle is not None:
                self._runner.cancel(held.handle, force)
        except Exception as error:
            # It is asked for again when the grace is over.
            self._log("error", "The runner refused a cancel.", execution=held.execution, reason=str(error))

    def _unknown_execution(self, execution: str, fence: int) -> Rejected:
        self._barred.add(execution, fence)
        sentence = "This server doesn't hold this attempt: it was never submitted here, or its result is recorded."
        return _rejected(execution, fence, "UNKNOWN_EXECUTION", sentence)

    def _unknown(self, name: str) -> str:
        known = ", ".join(sorted(self._tasks)[:20]) or "none"
        hint = f" Modules that can't be imported: {self._failed_modules}." if self._failed_modules else ""
        return f"No task {name!r} is registered with this server. Registered: {known}.{hint}"


def _timeout(message: Submit) -> Timeout | None:
    seconds = message.timeout_seconds
    return None if seconds is None else Timeout(seconds, message.timeout_grace_seconds)


def _rejected(execution: str, fence: int, code: RejectedCode, sentence: str) -> Rejected:
    return Rejected(execution, fence, code, sentence)


def _withdrawn(held: Held) -> Rejected:
    return _rejected(held.execution, held.fence, "WITHDRAWN", "It was taken back before it began.")


def _not_holder(held: Held) -> Rejected:
    sentence = f"Incarnation {held.holder} holds this attempt now: it was adopted."
    return _rejected(held.execution, held.fence, "NOT_HOLDER", sentence)
