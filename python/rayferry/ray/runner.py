"""The runner on Ray: each attempt is one call of the wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import ray
from ray.exceptions import LocalRayletDiedError

from rayferry.log import Log
from rayferry.outcome import Outcome, decode_outcome, failed
from rayferry.ray.connect import Cluster, dead_processes
from rayferry.ray.failure import outcome_of
from rayferry.ray.probe import read_registry
from rayferry.ray.wrapper import run_attempt
from rayferry.registry import TaskEntry
from rayferry.server.runner import Attempt, Events, Started


class RayRunner:
    def __init__(self, connection: Cluster, modules: Sequence[str], max_result_bytes: int, log: Log) -> None:
        self._connection = connection
        self._modules = modules
        self._max_result_bytes = max_result_bytes
        self._log = log
        # By task name: `.options()` is what names a task in Ray's own tools, and costs less when kept.
        self._remotes: dict[str, Any] = {}
        self._running: set[Any] = set()
        self._raylet_died = False

    def start(self) -> Started:
        cluster = self._connection.open()
        # max_retries=0: attempts are counted in Postgres, and with Ray's own retries a finished task may run again.
        self._wrapper = ray.remote(max_retries=0, num_cpus=1)(run_attempt)
        return Started(cluster, read_registry(self._modules))

    def submit(self, attempt: Attempt, events: Events) -> Any:
        ref = self._remote(attempt.task).remote(
            attempt.task.module,
            attempt.task.name,
            attempt.number,
            attempt.content_type,
            attempt.input,
            self._max_result_bytes,
        )
        self._running.add(ref)

        def completed(value: object) -> None:
            # In a thread of Ray's, which swallows what is raised here.
            self._running.discard(ref)
            if isinstance(value, LocalRayletDiedError):
                self._raylet_died = True
            events.done(_outcome(value, ref))

        # Private, but what ObjectRef.future() is made of; of all ways to hear of 10,000 results it costs least, and
        # needs no thread of ours.
        ref._on_completed(completed)
        return ref

    def cancel(self, handle: Any, force: bool) -> None:
        # Ray 2.60 aborts the driver ("Tried to complete task that was not pending") over a forced cancel in the moment
        # in which a task has ended: 1 in some hundred right after ray.get(). What is known to have ended is left alone.
        if handle in self._running:
            ray.cancel(handle, force=force)

    def withdraw(self, handle: Any) -> None:
        # Whether it began isn't known here yet, and Ray's cancel would interrupt it: it goes on, and is adopted.
        return

    def grant(self, seconds: float) -> None:
        return

    def trouble(self) -> str | None:
        dead = dead_processes() if self._connection.address is None else []
        if dead:
            return f"Ray's own processes died: {', '.join(dead)}."
        return "The raylet of this node died." if self._raylet_died else None

    def stop(self) -> None:
        if not ray.is_initialized():
            return
        if self._connection.address is not None:
            self._kill_all()
        self._connection.close()

    def _kill_all(self) -> None:
        """A cluster takes seconds to notice that a driver left, and its tasks go on until then. A Ray of our own ends
        with us."""
        for ref in list(self._running):
            try:
                ray.cancel(ref, force=True)
            except Exception as error:
                self._log("warn", "Ray refused a cancel while stopping.", reason=str(error))
                return

    def _remote(self, task: TaskEntry) -> Any:
        remote = self._remotes.get(task.name)
        if remote is None:
            remote = self._wrapper.options(name=task.name, num_cpus=task.num_cpus)
            self._remotes[task.name] = remote
        return remote


def _outcome(value: object, ref: Any) -> Outcome:
    try:
        outcome = outcome_of(value) if isinstance(value, BaseException) else decode_outcome(value)  # type: ignore[arg-type]
        return msgspec.structs.replace(outcome, ray_task_id=ref.task_id().hex())
    except Exception as error:
        return failed("RayError", f"Ray's answer can't be read: {type(error).__name__}: {error}", "LOST")
