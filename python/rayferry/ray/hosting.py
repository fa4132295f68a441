"""The actor that hosts a server: detached, so that neither it nor the tasks that it owns end with the worker.

One thread runs the server; the actor's methods, called by sidecars, run beside it in threads of Ray's.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import ray

from rayferry import __version__
from rayferry.bridge.admitted import AdmittedKeys
from rayferry.bridge.curve import CurveServer
from rayferry.bridge.fields import ClusterInfo
from rayferry.bridge.relay import RelayedLink
from rayferry.bridge.socket import RouterLink, make_key_pair
from rayferry.endpoint import TcpEndpoint
from rayferry.errors import StartError
from rayferry.log import Level
from rayferry.ray.connect import describe_cluster
from rayferry.ray.runner import RayRunner
from rayferry.server import Server

# Log lines that wait for a sidecar to fetch them.
KEPT_LINES = 2_000
# A line that is fetched later than this says so.
OLD_SECONDS = 2.0
# For sidecars to hear of the end before the process is gone.
LAST_WORDS_SECONDS = 1.0


class HostOptions(msgspec.Struct, frozen=True):
    generation: str
    modules: list[str]
    max_result_bytes: int
    orphan_grace: float


class Facts(msgspec.Struct, frozen=True):
    """What a sidecar needs to know of a hosted server."""

    endpoint: str
    epoch: str
    node_id: str
    pid: int
    # Its log lines up to this number have reached a sidecar.
    heard: int = 0


class _Joined:
    """A runner's connection to the cluster that this process is part of."""

    address = "inside"
    temp_dir = None

    def open(self) -> ClusterInfo:
        return describe_cluster(str(ray.get_runtime_context().gcs_address))

    def close(self) -> None:
        # The process ends by itself.
        return


Line = tuple[Level, str, dict[str, Any]]


class Lines:
    """Log lines, numbered, the newest kept."""

    def __init__(self) -> None:
        self._lines: deque[tuple[float, Line]] = deque(maxlen=KEPT_LINES)
        self._count = 0
        self._heard = 0
        self._changed = threading.Condition()

    @property
    def heard(self) -> int:
        """The number of the last line that a sidecar has: the next one begins behind it."""
        return self._heard

    def log(self, level: Level, msg: str, /, **fields: object) -> None:
        plain = {name: value if isinstance(value, int | float | bool) else str(value) for name, value in fields.items()}
        with self._changed:
            self._lines.append((time.monotonic(), (level, msg, plain)))
            self._count += 1
            self._changed.notify_all()

    def after(self, number: int, seconds: float) -> tuple[int, list[Line]]:
        """What was said while nobody heard it has `seconds_ago` with it."""
        with self._changed:
            self._heard = max(self._heard, number)
            self._changed.wait_for(lambda: self._count > number, seconds)
            new = min(self._count - number, len(self._lines))
            now = time.monotonic()
            return self._count, [_dated(line, now - at) for at, line in list(self._lines)[len(self._lines) - new :]]


def _dated(line: Line, age: float) -> Line:
    level, msg, fields = line
    return line if age < OLD_SECONDS else (level, msg, {**fields, "seconds_ago": round(age, 1)})


class ServerHost:
    def __init__(self, options: bytes) -> None:
        self._options = msgspec.msgpack.decode(options, type=HostOptions)
        self._lines = Lines()
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._router: RouterLink | None = None
        self._link: RelayedLink | None = None
        self._admitted = AdmittedKeys()
        # Its pair is never written anywhere: it ends with this process.
        self._curve = CurveServer(make_key_pair(), self._admitted, "Only workers that can call this actor are let in.")
        self._far_endpoint: str | None = None
        self._end: str | None = None
        self._folder = ""

    def open(self) -> bytes:
        """Start the server unless it runs already; its facts. Raises StartError, and the actor is gone then."""
        with self._lock:
            if self._facts is None:
                try:
                    self._facts = self._start()
                except BaseException:
                    threading.Timer(LAST_WORDS_SECONDS, os._exit, (1,)).start()
                    raise
            if self._end is not None:
                raise StartError("SERVER_DIED", f"The server in this actor has ended: {self._end}.")
            return msgspec.msgpack.encode(msgspec.structs.replace(self._facts, heard=self._lines.heard))

    def poll(self, after: int, seconds: float) -> tuple[int, list[Any], str | None]:
        """(number of the last line, lines after `after`, why the server ended if it has). Waits for news."""
        number, lines = self._lines.after(after, seconds)
        return number, lines, self._end

    def exchange(self, peer: bytes, frames: list[bytes], seconds: float) -> list[bytes]:
        """Frames for the server, and those that it has for this peer."""
        if self._link is None:
            return []
        return self._link.exchange(peer, frames, seconds)

    def admit(self, public_key: str) -> tuple[str, str]:
        """Let clients of this key in over tcp: (endpoint, the server's own public key). Who can call this is a node of
        the cluster, and needs no other proof. The port is opened for the first."""
        with self._lock:
            if self._router is None:
                raise StartError("SERVER_DIED", "The server in this actor doesn't run.")
            if self._far_endpoint is None:
                address = TcpEndpoint(ray.util.get_node_ip_address(), 0)
                self._far_endpoint = self._router.also_listen(address, self._curve)
                self._lines.log("info", "Listening to workers on other nodes too.", endpoint=self._far_endpoint)
            self._admitted.admit(public_key)
            return self._far_endpoint, self._curve.pair.public

    def _start(self) -> Facts:
        options = self._options
        # mkdtemp's are 0700; Ray's own temp dir may be too deep for a socket's path.
        self._folder = tempfile.mkdtemp(prefix="rayferry-", dir="/tmp")
        runner = RayRunner(_Joined(), options.modules, options.max_result_bytes, self._lines.log)
        server = Server(
            runner,
            build=__version__,
            log=self._lines.log,
            authority_seconds=options.orphan_grace,
            generation=options.generation,
        )
        endpoint = f"ipc://{Path(self._folder, 'server.sock')}"
        try:
            started = server.start()
            for failure in started.registry.failures:
                self._lines.log("error", failure.message, module=failure.module, traceback=failure.traceback or "")
            self._router = RouterLink(endpoint, log=self._lines.log)
            self._link = RelayedLink(self._router)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        threading.Thread(target=self._run, args=(server, self._link), name="server", daemon=True).start()
        return Facts(endpoint, server.epoch, ray.get_runtime_context().get_node_id(), os.getpid())

    def _run(self, server: Server, link: RelayedLink) -> None:
        end: str
        try:
            end = server.run(link)
        except BaseException as error:
            end = f"{type(error).__name__}: {error}"
            self._lines.log("error", "The server failed.", reason=end)
        # Nothing of it may go on: its tasks end with this process, since it owns them; but at once is better.
        try:
            server.shut_down()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._end = end
            self._lines.log("info", "The server ended.", reason=end)
            threading.Timer(LAST_WORDS_SECONDS, os._exit, (0,)).start()
