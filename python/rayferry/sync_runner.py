"""A runner without Ray, for tests and debugging: imports the modules itself and runs attempts one after another.

Nothing can interrupt a running attempt: a cancel takes effect only on those that haven't started.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Sequence

from rayferry.execute import execute
from rayferry.outcome import Ending, Place, failed
from rayferry.registry import load_registry
from rayferry.server.runner import Attempt, Events, Started


class _Queued:
    def __init__(self, attempt: Attempt, events: Events) -> None:
        self.attempt = attempt
        self.events = events
        self._lock = threading.Lock()
        self._taken = False

    def take(self) -> bool:
        """True for the first caller: either the thread starts it, or a cancel takes it away."""
        with self._lock:
            first, self._taken = not self._taken, True
            return first


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
        self._take_back(handle, "CANCELLED", "It was cancelled before it started.")

    def withdraw(self, handle: _Queued) -> None:
        self._take_back(handle, "WITHDRAWN", "It was taken back before it started.")

    def grant(self, seconds: float) -> None:
        # Attempts run in the server's own process: they end with it.
        return

    def trouble(self) -> str | None:
        return None

    def stop(self) -> None:
        self._stopped.set()
        self._queue.put(None)

    def _run(self) -> None:
        while (queued := self._queue.get()) is not None and not self._stopped.is_set():
            if queued.take():
                attempt = queued.attempt
                queued.events.started(Place(None, None, None, os.getpid()))
                queued.events.done(
                    execute(
                        attempt.task.module,
                        attempt.task.name,
                        attempt.content_type,
                        attempt.input,
                        self._max_result_bytes,
                    )
                )

    def _take_back(self, queued: _Queued, ending: Ending, sentence: str) -> None:
        if queued.take():
            queued.events.done(failed("Cancelled", sentence, ending))
