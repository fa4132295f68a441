"""A server whose loop can be made to stand still, in a process of its own: stalling_server.py ENDPOINT."""

import ctypes
import itertools
import json
import sys
import time
from typing import Any

from rayferry.bridge.socket import RouterLink
from rayferry.log import log_to_stderr
from rayferry.server import Server, watchdog
from rayferry.server.runner import Attempt, Events
from rayferry.sync_runner import SyncRunner

watchdog.STUCK_SECONDS = 0.5
watchdog.LOOK_SECONDS = 0.05


class StallingRunner(SyncRunner):
    """Stands still in `submit`, as the attempt's argument says."""

    def submit(self, attempt: Attempt, events: Events) -> Any:
        {"wait": wait_for_a_slow_answer, "sleep": hold_the_lock_and_sleep, "compute": hold_the_lock_and_compute}[
            json.loads(attempt.input)[0]
        ]()
        return super().submit(attempt, events)


def wait_for_a_slow_answer() -> None:
    time.sleep(1.0)


def hold_the_lock_and_sleep() -> None:
    ctypes.PyDLL(None).usleep(900_000)


def hold_the_lock_and_compute() -> None:
    # One call into C, like a regular expression that backtracks: a second or more.
    sum(itertools.repeat(1, 300_000_000))


server = Server(StallingRunner(["sample_tasks"], 1000), build="0", log=log_to_stderr, authority_seconds=60)
server.start()
link = RouterLink(sys.argv[1])
log_to_stderr("info", "Serving.")
server.run(link)
