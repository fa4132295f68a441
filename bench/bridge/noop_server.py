"""The other end of `make bench-bridge`: noop_server.py ENDPOINT link|echo|bytes

link: the real server, with a runner whose attempts end at once. echo: decodes each frame and sends back what it
encodes again, and nothing more. bytes: sends back each frame as it came.
"""

import sys
import time

import msgspec
import zmq

from rayferry.bridge.socket import RouterLink
from rayferry.log import log_to_stderr, no_log
from rayferry.outcome import Outcome
from rayferry.registry import Registry, TaskEntry
from rayferry.server import Server
from rayferry.server.runner import Attempt, Events, Started

NOOP = TaskEntry("noop", "tasks", "noop", None, "function", "default", 1.0, None, [])
DONE = Outcome(ending="SUCCEEDED", content_type="application/json", value=b"null", pid=1, run_seconds=0.0)


class NoopRunner:
    def start(self) -> Started:
        return Started(None, Registry([NOOP], []))

    def submit(self, attempt: Attempt, events: Events) -> None:
        events.done(DONE)

    def cancel(self, handle: None, force: bool) -> None: ...

    def withdraw(self, handle: None) -> None: ...

    def grant(self, seconds: float) -> None: ...

    def cluster(self) -> None: ...

    def trouble(self) -> None: ...

    def stop(self) -> None: ...


def link(endpoint: str) -> None:
    server = Server(NoopRunner(), build="bench", log=no_log, clock=time.monotonic)
    server.start()
    socket = RouterLink(endpoint)
    log_to_stderr("info", "Serving.")
    server.run(socket)
    socket.close()


def echo(endpoint: str, decodes: bool) -> None:
    decode, encode = msgspec.msgpack.Decoder().decode, msgspec.msgpack.Encoder().encode
    router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    router.bind(endpoint)
    log_to_stderr("info", "Serving.")
    while True:
        peer, frame = router.recv_multipart()
        if not frame:
            return
        router.send_multipart([peer, encode(decode(frame)) if decodes else frame])


if __name__ == "__main__":
    if sys.argv[2] == "link":
        link(sys.argv[1])
    else:
        echo(sys.argv[1], sys.argv[2] == "echo")
