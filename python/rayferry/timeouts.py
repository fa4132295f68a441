"""The timeout of an attempt: what is said of it, and a thread that tells of it where no task link does.

It counts from the real start of the attempt's code, in the process that runs it. At `seconds` the code is interrupted,
`grace_seconds` later the process ends. Whoever is stopped or gone meanwhile: the process needs nobody for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from rayferry.outcome import ErrorInfo

# Of a process that died so shortly before it would have ended itself, the clocks of two machines don't tell which.
SLACK_SECONDS = 0.25
# Between two interrupts.
TELL_AGAIN_SECONDS = 0.1


class Timeout(msgspec.Struct, array_like=True, frozen=True, gc=False):
    seconds: float
    grace_seconds: float

    @property
    def kill_seconds(self) -> float:
        return self.seconds + self.grace_seconds

    def has_killed(self, run_seconds: float) -> bool:
        """Whether a process that died after so long died of its timeout: by then it had ended itself, if it could."""
        return run_seconds >= max(self.seconds, self.kill_seconds - SLACK_SECONDS)

    def sentence(self) -> str:
        return f"The task ran longer than its timeout of {self.seconds:g} s."

    def killed(self) -> ErrorInfo:
        grace = f"{self.grace_seconds:g} s after the interrupt" if self.grace_seconds else "at once"
        message = f"The task ran longer than its timeout of {self.seconds:g} s, and was killed {grace}."
        return ErrorInfo("Timeout", "Timeout", [], message, None)


class TimeoutThread:
    """Of one attempt, from now until `end`: `interrupt` is called at its timeout and again and again, for it may not
    arrive. Not once `end` has returned."""

    def __init__(self, timeout: Timeout, interrupt: Callable[[], None]) -> None:
        self._timeout = timeout
        self._interrupt = interrupt
        self._over = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="timeout", daemon=True).start()

    def end(self) -> None:
        with self._lock:
            self._over.set()

    def _run(self) -> None:
        wait = self._timeout.seconds
        while not self._over.wait(wait):
            with self._lock:
                if self._over.is_set():
                    return
                self._interrupt()
            wait = TELL_AGAIN_SECONDS
