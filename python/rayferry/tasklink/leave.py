"""How a task process ends before its time."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import NoReturn

# Ray says WorkerCrashedError for any of them; for people who read the raylet's log.
EXIT_CANCELLED = 70
EXIT_AUTHORITY = 71
EXIT_BROKEN = 72
EXIT_TIMEOUT = 73


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
