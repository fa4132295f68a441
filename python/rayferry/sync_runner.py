"""A runner without Ray, for tests and debugging: imports the modules itself and runs attempts one after another.

Nothing can interrupt a plain function that runs, and nothing is killed: a cancel takes effect only on what hasn't
started, a timeout only on async functions. What a plain one returns after its timeout counts.
"""

from __future__ import annotations

import math
import os
import queue
import threading
import time
from collections.abc import Sequence

from rayferry.execute import execute
from rayferry.member import LogLevel, Member, interrupts
from rayferry.outcome import Place, failed
from rayferry.registry import load_registry
from rayferry.server.runner import Attempt, Events, Started
from rayferry.tasklink.messages import MAX_LOG_CHARACTERS
from rayferry.timeouts import TimeoutThread


class _Queued:
    def __init__(self, attempt: Attempt, events: Events) -> None:
        self.attempt = attempt
        self.events = events
        self._lock = threading.Lock()
        self._taken = False
        self._began_at = math.inf

    def take(self) -> bool:
        """True for the first caller: either the thread starts it, or a cancel or withdrawal takes it away."""
        with self._lock:
            first, self._taken = not self._taken, True
            return first

    def begin(self) -> None:
        self._began_at = time.monotonic()

    @property
    def is_overdue(self) -> bool:
        timeout = self.attempt.timeout
        return timeout is not None and time.monotonic() - self._began_at >= timeout.kill_seconds


class SyncRunner:
    def __init__(self, modules: Sequence[str], max_result_bytes: int) -> None:
        self._modules = modules
        self._max_result_bytes = max_result_bytes
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attempts", daemon=True)

    def start(self) -> Started:
        registry = load_registry(self._modules)
        self._thread.start()
        return Started(None, registry)

    def submit(self, attempt: Attempt, events: Events) -> _Queued:
        queued = _Queued(attempt, events)
        self._queue.put(queued)
        return queued

    def cancel(self, handle: _Queued, force: bool) -> None:
        if handle.take():
            handle.events.done(failed("Cancelled", "It was cancelled before it started.", "CANCELLED"))
            return
        if force and handle.is_overdue:
            # For its timeout; a cancel that somebody asked for comes without force first, unless it has no grace.
            return
        member = interrupts.current
        if member is not None and (member.execution, member.fence) == (handle.attempt.execution, handle.attempt.fence):
            # It can't be interrupted, but may ask: `context.cancelled`.
            member.ask("cancel")

    def withdraw(self, handle: _Queued) -> None:
        if handle.take():
            handle.events.done(failed("Withdrawn", "It was withdrawn before it started.", "WITHDRAWN"))

    def grant(self, seconds: float) -> None:
        """Attempts are in the server's own process: they end with it."""

    def cluster(self) -> None:
        return None

    def trouble(self) -> str | None:
        return None

    def stop(self) -> None:
        self._stopped.set()
        self._queue.put(None)

    def _run(self) -> None:
        while (queued := self._queue.get()) is not None and not self._stopped.is_set():
            if queued.take():
                queued.begin()
                self._execute(queued.attempt, queued.events)

    def _execute(self, attempt: Attempt, events: Events) -> None:
        member = Member(attempt.execution, attempt.fence, attempt.number, _Report(events), attempt.timeout)
        interrupts.current = member
        timeout = TimeoutThread(attempt.timeout, lambda: _interrupt(member)) if attempt.timeout else None
        events.started(Place(None, None, None, os.getpid()))
        try:
            outcome = execute(
                attempt.task.module,
                attempt.task.name,
                attempt.content_type,
                attempt.input,
                self._max_result_bytes,
                member,
            )
        finally:
            interrupts.current = None
            if timeout is not None:
                timeout.end()
        events.done(outcome)


def _interrupt(member: Member) -> None:
    member.ask("timeout")
    member.deliver_to_loop()


class _Report:
    def __init__(self, events: Events) -> None:
        self._events = events

    def progress(self, current: float, total: float | None, message: str | None) -> None:
        self._events.progress(current, total, message)

    def log(self, level: LogLevel, text: str) -> None:
        for at in range(0, len(text), MAX_LOG_CHARACTERS):
            self._events.log(level, text[at : at + MAX_LOG_CHARACTERS])
