"""For how long this server may let its attempts run.

A worker echoes, after its lease was renewed, a tick that it had from us before. So the newest echoed tick is a moment
of our own clock at which the lease was certainly good, whatever the network and the database took.
"""

from __future__ import annotations


class Authority:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # None until the first session: before it there is nothing to stop.
        self._newest: float | None = None

    def begin(self, now: float) -> None:
        """The first welcome counts as an echo (in an actor, the start); nothing later does: a worker without a
        database could hold on for ever."""
        if self._newest is None:
            self._newest = now

    def echo(self, tick: float, now: float) -> bool:
        """False for a tick that was never sent: one that is ahead of our clock (or isn't a number)."""
        if self._newest is None or not tick <= now:
            return False
        self._newest = max(self._newest, tick)
        return True

    def left(self, now: float) -> float:
        """Seconds; all of them before the first session."""
        return self.seconds if self._newest is None else max(0.0, self._newest + self.seconds - now)

    def expired(self, now: float) -> bool:
        return self._newest is not None and now - self._newest > self.seconds
