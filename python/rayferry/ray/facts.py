"""What Ray has and has free, and whether it answers: a daemon thread asks it, and nobody ever waits for the answer.

With its GCS gone these calls stand still for up to a minute, then Ray's C++ code ends the process; whoever hosts the
server is watched from outside for that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec
import ray

from rayferry.bridge.fields import ClusterFacts
from rayferry.log import Log

ASK_SECONDS = 5.0
# Two questions without an answer, and time for the third. Nothing that can't be run is to be claimed.
UNREACHABLE_SECONDS = 15.0

NOTHING = ClusterFacts(None, None, None, None, None, None, None, reachable=False)


def ask_ray() -> ClusterFacts:
    total, free = ray.cluster_resources(), ray.available_resources()
    return ClusterFacts(
        nodes=sum(bool(node["Alive"]) for node in ray.nodes()),
        cpus=float(total.get("CPU", 0)),
        cpus_free=float(free.get("CPU", 0)),
        gpus=float(total.get("GPU", 0)),
        gpus_free=float(free.get("GPU", 0)),
        memory=float(total.get("memory", 0)),
        memory_free=float(free.get("memory", 0)),
        reachable=True,
    )


class ClusterWatch:
    """Begins at once. `close` from any thread; a question that is under way is left to itself."""

    def __init__(
        self,
        log: Log,
        ask: Callable[[], ClusterFacts] = ask_ray,
        *,
        seconds: float = ASK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._facts: ClusterFacts | None = None
        # Until it has had the time to answer, it counts as there.
        self._answered_at = clock()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="ray-facts", daemon=True).start()

    def facts(self) -> ClusterFacts | None:
        """At once. None: nothing is known yet."""
        if self._clock() - self._answered_at < UNREACHABLE_SECONDS:
            return self._facts
        return msgspec.structs.replace(self._facts or NOTHING, reachable=False)

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                facts = self._ask()
            except Exception as error:
                if not self._closed.is_set():
                    self._log("debug", "Ray didn't say what it has.", reason=f"{type(error).__name__}: {error}")
            else:
                self._facts, self._answered_at = facts, self._clock()
            self._closed.wait(self._seconds)
