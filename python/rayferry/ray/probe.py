"""Reads the registry in a Ray task: user modules are imported where they will run, never in the server's process."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import ray
from ray import exceptions

from rayferry.errors import StartError
from rayferry.registry import ModuleFailure, Registry, load_registry

PROBE_SECONDS = 60.0


def _read(modules: list[str]) -> bytes:
    return msgspec.msgpack.encode(load_registry(modules))


def read_registry(modules: Sequence[str], seconds: float = PROBE_SECONDS) -> Registry:
    """Raises StartError where not even an empty registry can be read."""
    # Without CPUs: it must not wait for a busy cluster.
    remote = ray.remote(max_retries=0, num_cpus=0)(_read)
    ref = remote.remote(list(modules))
    try:
        return msgspec.msgpack.decode(ray.get(ref, timeout=seconds), type=Registry)
    except exceptions.GetTimeoutError:
        # Only one that still runs: see RayRunner.cancel.
        ray.cancel(ref, force=True)
        reason = f"importing it took longer than {seconds:g} s, or the cluster had no process for it"
    except exceptions.WorkerCrashedError:
        reason = "importing it ended its process"
    except exceptions.RuntimeEnvSetupError as error:
        raise StartError("RAY_START_FAILED", f"The cluster couldn't set up the tasks' environment: {error}") from error
    except exceptions.RayError as error:
        raise _unreadable(error) from error
    if len(modules) == 1:
        sentence = f"Module {modules[0]!r} can't be imported: {reason}."
        return Registry([], [ModuleFailure(modules[0], sentence, None)])
    # One module took its process along: read each in a process of its own, so that the others go on.
    return _merge([read_registry([module], seconds / 2) for module in modules])


def _merge(parts: list[Registry]) -> Registry:
    tasks = {task.name: task for part in parts for task in part.tasks}
    return Registry(list(tasks.values()), [failure for part in parts for failure in part.failures])


def _unreadable(error: exceptions.RayError) -> StartError:
    text = str(error)
    if "ModuleNotFoundError" in text or "No module named" in text:
        return StartError(
            "MISSING_PACKAGE",
            "The cluster's Python lacks a package that rayferry needs. Install `msgspec` on every node: "
            f"pip install msgspec. Ray says: {text[-2000:]}",
        )
    return StartError("RAY_START_FAILED", f"Reading the registry in a Ray task failed: {text[-2000:]}")
