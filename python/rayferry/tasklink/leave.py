"""How a task process ends before its time."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
from pathlib import Path
from typing import NoReturn

# Ray says WorkerCrashedError for any of them; for people who read the raylet's log.
EXIT_CANCELLED = 70
EXIT_AUTHORITY = 71
EXIT_BROKEN = 72
EXIT_TIMEOUT = 73

# After the moment at which a process should have ended itself.
LAST_RESORT_SECONDS = 1.0


def arm_last_resort(seconds: float) -> None:
    """Where the task holds Python's interpreter lock, no thread of ours gets to run: this one needs no lock. In so many
    seconds it says where the task hangs, and ends the process, but nothing that it started. One that was armed before
    is replaced."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=2)


def disarm_last_resort() -> None:
    faulthandler.cancel_dump_traceback_later()


def leave(status: int, why: str) -> NoReturn:
    """End this process and whatever it started, at once: no `finally`, no exit hooks. Children that left for another
    parent (double forks) aren't found; Ray's process group isn't ours to kill."""
    _say(why)
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os._exit(status)


def _say(text: str) -> None:
    # Not print(): a stream's lock may be held by the thread that is being stopped.
    with contextlib.suppress(OSError):
        os.write(2, f"rayferry: {text}\n".encode())


def _descendants(pid: int) -> list[int]:
    """Parents first, so that none starts another behind our back. Empty where there is no /proc (macOS)."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for thread in os.scandir(f"/proc/{pid}/task"):
            for child in map(int, Path(thread.path, "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found
