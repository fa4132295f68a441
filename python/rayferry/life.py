"""When a process that hosts a server must end: its worker is gone, a signal came, or it hangs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from rayferry.log import Log

# A clean end that takes longer than this isn't waited for.
CLEAN_END_SECONDS = 5.0
# By how much the loop may be late with its own check of authority.
LATE_SECONDS = 2.0


def watch_stdin(on_end: Callable[[str], None]) -> None:
    """The worker holds the other end of stdin: it ends when the worker does, however that died."""

    def watch() -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        on_end("stdin ended: the worker is gone")

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def watch_signals(on_end: Callable[[str], None]) -> None:
    """From the main thread. Call again after Ray started: ray.init() puts a SIGTERM handler of its own."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: on_end(f"signal {signal.Signals(received).name}"))


def leave_after(seconds: float, leave: Callable[[], NoReturn]) -> None:
    """Leave for certain. Whatever Ray started of its own dies with the process: the kernel sees to that."""
    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def watch_authority(expired: Callable[[float], bool], leave: Callable[[], NoReturn], log: Log) -> None:
    """Behind the server's own check, for a loop that hangs inside a runner: its tasks must not outlive its lease."""

    def watch() -> None:
        while not expired(time.monotonic() - LATE_SECONDS):
            time.sleep(0.25)
        log("error", "The server's loop hangs and its authority has ended: leaving.")
        leave()

    threading.Thread(target=watch, name="authority", daemon=True).start()
