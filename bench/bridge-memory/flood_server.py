"""The server for bench/bridge-memory: flood_server.py ENDPOINT, with commands on stdin.

Its attempts run until `end BYTES` gives each a result of so many bytes. `log PIECES` makes the first one say so many
pieces of 16 KB. Each command is answered with its own line on stdout when it is done.
"""

import os
import sys
import threading

from rayferry.bridge.socket import RouterLink
from rayferry.log import no_log
from rayferry.outcome import Outcome
from rayferry.registry import Registry, TaskEntry
from rayferry.server import Server
from rayferry.server.runner import Attempt, Events, Started

TASK = TaskEntry("noop", "tasks", "noop", None, "function", "default", 1.0, None, [])


class FloodRunner:
    def __init__(self) -> None:
        self.running: list[Events] = []

    def start(self) -> Started:
        return Started(None, Registry([TASK], []))

    def submit(self, attempt: Attempt, events: Events) -> None:
        self.running.append(events)

    def cancel(self, handle: None, force: bool) -> None: ...

    def withdraw(self, handle: None) -> None: ...

    def grant(self, seconds: float) -> None: ...

    def cluster(self) -> None: ...

    def trouble(self) -> None: ...

    def stop(self) -> None: ...

    def end(self, size: int) -> None:
        ending, self.running = self.running, []
        for events in ending:
            # Random, because zeros would share a page.
            value = os.urandom(size)
            events.done(Outcome(ending="SUCCEEDED", content_type="application/msgpack", value=value, run_seconds=1.0))

    def log(self, pieces: int) -> None:
        for _ in range(pieces):
            self.running[0].log("info", os.urandom(8_192).hex())


def obey(runner: FloodRunner) -> None:
    for line in sys.stdin:
        command, number = line.split()
        {"end": runner.end, "log": runner.log}[command](int(number))
        print(line, end="", flush=True)
    os._exit(0)


def main(endpoint: str) -> None:
    runner = FloodRunner()
    # A stopped worker renews no lease: what is measured here is memory, not authority.
    server = Server(runner, build="bench", log=no_log, authority_seconds=600)
    server.start()
    link = RouterLink(endpoint)
    threading.Thread(target=obey, args=(runner,), daemon=True).start()
    print("serving", flush=True)
    server.run(link)


main(sys.argv[1])
