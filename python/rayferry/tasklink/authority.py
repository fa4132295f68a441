"""For how long this process may let its attempt run."""

from __future__ import annotations

import threading
import time


def clock() -> float:
    """Seconds that go on while the machine sleeps too, where there is such a clock."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Granted:
    """A grant counts from a moment of our own clock before it was asked for. So one that was long under way, or lay in
    a socket while this process was stopped, has run out when it is read."""

    def __init__(self) -> None:
        self._until = 0.0
        self._came = threading.Event()

    def take(self, tick: float, seconds: float) -> None:
        now = clock()
        # A tick that is ahead of our clock was never ours; NaN fails here too.
        if tick <= now and seconds >= 0:
            # Not the longest ever granted: a hub that is about to lose its authority says less.
            self._until = tick + seconds
            if self.left() > 0:
                self._came.set()

    def left(self) -> float:
        return self._until - clock()

    def wait(self, seconds: float) -> bool:
        """Whether there is a grant, after waiting for one."""
        end = clock() + seconds
        while self.left() <= 0:
            self._came.clear()
            if clock() >= end:
                return False
            self._came.wait(0.05)
        return True
