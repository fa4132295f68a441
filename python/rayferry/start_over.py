"""A process that begins anew: the same command in the same process, with nothing left of what it was.

A server started by hand does so when its authority has ended: its work has to stop, and whoever starts it shouldn't
have to start it again for the next worker. Threads, sockets, Ray and its own tasks all go with the old image, as they
would with the process, and so does a body that nothing can interrupt.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from rayferry.log import log_to_stderr


class StartOver:
    """Make it before Ray's environment is prepared: the process begins again with what it has now."""

    def __init__(self, give_back_stdout: Callable[[], None]) -> None:
        self._environment = dict(os.environ)
        self._give_back_stdout = give_back_stdout
        # Where the first start took a port that was free, the next must have the same.
        self.listen: str | None = None

    def __call__(self) -> NoReturn:
        """From any thread."""
        log_to_stderr("info", "Starting over, for the next worker.")
        self._give_back_stdout()
        arguments = sys.orig_argv[1:]
        listen = [] if self.listen is None else ["--listen", self.listen]
        # Of an option that is given twice, the last counts; it is added once.
        again = [] if arguments[len(arguments) - len(listen) :] == listen else listen
        os.execve(sys.executable, [sys.executable, *arguments, *again], self._environment)


def default_signals() -> None:
    """So that a signal ends the process from now on. In the main thread; elsewhere nothing happens."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
