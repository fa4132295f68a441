"""Notices that the server's loop stands still, and says in what: a thread of its own beside it.

It sees three things apart: the loop stands still while other threads run (then it names the loop's frames, at once);
no thread ran because one held Python's interpreter lock; the whole process was stopped, or the machine had no time for
it. Of the last two it can tell only afterwards, by its own lateness.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable

from rayferry.log import Log

# A turn of the loop takes 50 ms when nothing happens.
STUCK_SECONDS = 3.0
LOOK_SECONDS = 0.25
FRAMES = 8


class Watchdog:
    """Made by the thread that is to be watched; it calls `turned` each time around. `close` ends the watch."""

    def __init__(
        self,
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._log = log
        self._clock = clock
        self._cpu = cpu
        self._watched = threading.get_ident()
        self._turned_at = self._turn_seen = self._looked_at = clock()
        self._cpu_then = cpu()
        # Of the time since the last turn, what the watcher itself didn't run.
        self._missed = 0.0
        self._is_stuck = False
        self._closed = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def turned(self) -> None:
        self._turned_at = self._clock()

    def close(self) -> None:
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        now, turned_at, cpu = self._clock(), self._turned_at, self._cpu()
        late = max(0.0, now - self._looked_at - LOOK_SECONDS)
        if turned_at != self._turn_seen:
            self._go_on(turned_at)
        if late >= STUCK_SECONDS:
            self._tell_missed(late, cpu - self._cpu_then)
        self._missed += min(late, now - turned_at)
        self._looked_at, self._cpu_then = now, cpu
        # What nobody in this process had can't be blamed on the loop.
        stood = now - turned_at - self._missed
        if not self._is_stuck and stood >= STUCK_SECONDS:
            self._is_stuck = True
            self._tell_stuck(stood)

    def _go_on(self, turned_at: float) -> None:
        if self._is_stuck:
            seconds = turned_at - self._turn_seen
            self._log("warn", f"The server's loop goes on after standing still for {seconds:.1f} s.")
        self._turn_seen = turned_at
        self._missed = 0.0
        self._is_stuck = False

    def _tell_stuck(self, seconds: float) -> None:
        frame = sys._current_frames().get(self._watched)
        frames = traceback.extract_stack(frame)[-FRAMES:] if frame is not None else []
        where = f" in {frames[-1].name}()" if frames else ""
        self._log(
            "warn",
            f"The server's loop has stood still for {seconds:.1f} s{where}: until it goes on, workers hear nothing and "
            "no attempt starts.",
            traceback="\n".join(
                f'  File "{each.filename}", line {each.lineno}, in {each.name}: {each.line}' for each in frames
            ),
        )

    def _tell_missed(self, seconds: float, cpu: float) -> None:
        # Without the lock nobody computes but who holds it; on a busy machine that one has a share of a core only.
        if cpu > seconds / 10:
            why = "something held Python's interpreter lock (a C extension in a long call)"
        else:
            why = "the process was stopped (SIGSTOP, a debugger) or starved, or slept with Python's interpreter lock"
        self._log(
            "warn",
            f"No thread of the server ran for {seconds:.1f} s: {why}.",
            cpu_seconds=round(cpu, 2),
        )
