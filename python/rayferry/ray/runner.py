"""The runner on Ray: each attempt is one call of the wrapper, with a link to the process that runs it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import LocalRayletDiedError

from rayferry.bridge.fields import ClusterFacts
from rayferry.log import Log
from rayferry.ray.attempt import Call, encode_call
from rayferry.ray.connect import Cluster, dead_processes
from rayferry.ray.facts import ClusterWatch
from rayferry.ray.probe import read_registry
from rayferry.ray.running import TAKE_BACK_SECONDS, Running
from rayferry.ray.wrapper import shielded
from rayferry.registry import TaskEntry
from rayferry.server.runner import Attempt, Events, Started
from rayferry.tasklink.hub import TaskHub

# A process that is told to end and hasn't by then is Ray's to kill.
KILL_SECONDS = 0.5
# What a first submit counts for as a grant, until the server grants by itself: it does that each second.
FIRST_GRANT_SECONDS = 5.0


class RayRunner:
    """`ipc` False: task processes on this node are reached over tcp too."""

    def __init__(
        self, connection: Cluster, modules: Sequence[str], max_result_bytes: int, log: Log, *, ipc: bool = True
    ) -> None:
        self._connection = connection
        self._modules = modules
        self._max_result_bytes = max_result_bytes
        self._log = log
        self._ipc = ipc
        self._hub: TaskHub | None = None
        self._watch: ClusterWatch | None = None
        self._folder: str | None = None
        # By task name: `.options()` is what names a task in Ray's own tools, and costs less when kept.
        self._remotes: dict[str, Any] = {}
        self._running: set[Running] = set()
        self._raylet_died = False

    def start(self) -> Started:
        cluster = self._connection.open()
        # max_retries=0: attempts are counted in Postgres, and with Ray's own retries a finished task may run again.
        self._wrapper = ray.remote(max_retries=0, num_cpus=1)(shielded())
        registry = read_registry(self._modules)
        self._hub = self._open_hub()
        self._watch = ClusterWatch(self._log)
        return Started(cluster, registry)

    def submit(self, attempt: Attempt, events: Events) -> Running:
        hub = self._open()
        if not hub.granted:
            hub.grant(FIRST_GRANT_SECONDS)
        running = Running(attempt, events, hub, self._note_end)
        hub.expect(attempt.execution, attempt.fence, running)
        self._running.add(running)
        try:
            ref = self._remote(attempt.task).remote(self._call(attempt, hub.address))
        except BaseException:
            self._running.discard(running)
            hub.forget(attempt.execution, attempt.fence)
            raise
        running.follow(ref)
        return running

    def cancel(self, handle: Running, force: bool) -> None:
        # What is known to have ended is left alone: see TAKE_BACK_SECONDS.
        if handle not in self._running:
            return
        if force:
            handle.kill(KILL_SECONDS)
        else:
            handle.interrupt()

    def withdraw(self, handle: Running) -> None:
        if handle in self._running:
            handle.withdraw()

    def grant(self, seconds: float) -> None:
        self._open().grant(seconds)

    def cluster(self) -> ClusterFacts | None:
        return None if self._watch is None else self._watch.facts()

    def trouble(self) -> str | None:
        dead = dead_processes() if self._connection.address is None else []
        if dead:
            return f"Ray's own processes died: {', '.join(dead)}."
        return "The raylet of this node died." if self._raylet_died else None

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.close()
        try:
            if ray.is_initialized():
                if self._connection.address is not None:
                    self._kill_all()
                self._connection.close()
        finally:
            if self._hub is not None:
                self._hub.close()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self) -> TaskHub:
        if self._hub is None:
            raise RuntimeError("The runner isn't started.")
        return self._hub

    def _open_hub(self) -> TaskHub:
        """Over ipc to processes on this node, which for a Ray of our own are all; over tcp to others."""
        local = self._connection.address is None
        ipc = None
        if self._ipc:
            # Beneath Ray's own folder where there is one: whoever removes that removes this. mkdtemp's are 0700, and a
            # socket's path must be short.
            self._folder = tempfile.mkdtemp(prefix="rayferry-link-", dir=self._connection.temp_dir or "/tmp")
            ipc = Path(self._folder, "hub")
        host = None if local and self._ipc else ray.util.get_node_ip_address()
        return TaskHub(self._log, ipc=ipc, tcp_host=host, node_id=ray.get_runtime_context().get_node_id())

    def _note_end(self, running: Running, value: object) -> None:
        """In a thread of Ray's, once for each."""
        self._running.discard(running)
        if isinstance(value, LocalRayletDiedError):
            self._raylet_died = True

    def _kill_all(self) -> None:
        """A cluster takes seconds to notice that a driver left, and its tasks go on until then. A Ray of our own ends
        with us."""
        for running in list(self._running):
            if running.begun_in is not None:
                running.leave()
            else:
                running.hold()
        # Also where nothing has begun: what was told to hold may be about to end.
        began = time.monotonic()
        while self._running and time.monotonic() - began < KILL_SECONDS:
            if time.monotonic() - began > TAKE_BACK_SECONDS and all(each.begun_in is None for each in [*self._running]):
                break
            time.sleep(0.005)
        for running in list(self._running):
            try:
                running.kill_by_ray()
            except Exception as error:
                self._log("warn", "Ray refused a cancel while stopping.", reason=str(error))
                return

    def _call(self, attempt: Attempt, link: bytes) -> bytes:
        return encode_call(
            Call(
                attempt.task.module,
                attempt.task.name,
                attempt.execution,
                attempt.fence,
                attempt.number,
                attempt.content_type,
                attempt.input,
                self._max_result_bytes,
                link,
                attempt.timeout,
            )
        )

    def _remote(self, task: TaskEntry) -> Any:
        remote = self._remotes.get(task.name)
        if remote is None:
            remote = self._wrapper.options(name=task.name, num_cpus=task.num_cpus)
            self._remotes[task.name] = remote
        return remote
