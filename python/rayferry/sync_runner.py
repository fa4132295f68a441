"""A runner without Ray, for tests and debugging: imports the modules itself and runs attempts one after another.

Nothing can interrupt a running attempt: a cancel takes effect only on those that haven't started.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

from rayferry.execute import execute
from rayferry.outcome import failed
from rayferry.registry import load_registry
from rayferry.server.runner import Attempt, OnDone, Started


class _Queued:
    def __init__(self, attempt: Attempt, on_done: OnDone) -> None:
        self.attempt = attempt
        self.on_done = on_done
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

    def submit(self, attempt: Attempt, on_done: OnDone) -> _Queued:
        queued = _Queued(attempt, on_done)
        self._queue.put(queued)
        return queued

    def cancel(self, handle: _Queued, force: bool) -> None:
        if handle.take():
            handle.on_done(failed("Cancelled", "It was cancelled before it started.", "CANCELLED"))

    def trouble(self) -> str | None:
        return None

    def stop(self) -> None:
        self._stopped.set()
        self._queue.put(None)

    def _run(self) -> None:
        while (queued := self._queue.get()) is not None and not self._stopped.is_set():
            if queued.take():
                attempt = queued.attempt
                queued.on_done(
                    execute(
                        attempt.task.module,
                        attempt.task.name,
                        attempt.content_type,
                        attempt.input,
                        self._max_result_bytes,
                    )
                )
