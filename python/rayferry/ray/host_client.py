"""A sidecar's way to the actors that host servers: finds or makes its own, hears from it, reaches others by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rayferry.errors import StartError
from rayferry.log import Log
from rayferry.ray.connect import NAMESPACE
from rayferry.ray.hosting import Facts, HostOptions, ServerHost

# For the actor's process, Ray's first task processes and the import of the modules.
OPEN_SECONDS = 90.0
POLL_SECONDS = 2.0
# A temporary loss of the actor's node isn't its death.
UNAVAILABLE_SECONDS = 10.0
# Each poll and each relay holds a thread of the actor.
_THREADS = 16
_HEAD = "node:__internal_head__"


class HostedServer:
    """The actor of one generation of this worker's server."""

    def __init__(self, name: str, handle: Any, facts: Facts) -> None:
        self.name = name
        self.namespace = NAMESPACE
        self.facts = facts
        self._handle = handle

    @property
    def is_here(self) -> bool:
        """Whether its socket can be reached from this process."""
        same = self.facts.node_id == ray.get_runtime_context().get_node_id()
        return same and Path(self.facts.endpoint.removeprefix("ipc://")).exists()

    def exchange(self, peer: bytes, frames: list[bytes], seconds: float) -> list[bytes]:
        return ray.get(self._handle.exchange.remote(peer, frames, seconds))

    def follow(self, log: Log, going_on: Callable[[], bool]) -> str:
        """Pass its log on until it ends; why it ended. Raises RayError where only Ray can say."""
        after = 0
        failing_since: float | None = None
        while going_on():
            try:
                after, lines, end = ray.get(self._handle.poll.remote(after, POLL_SECONDS), timeout=POLL_SECONDS * 5)
            except (exceptions.ActorUnavailableError, exceptions.GetTimeoutError):
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > UNAVAILABLE_SECONDS:
                    raise
                continue
            failing_since = None
            for level, msg, fields in lines:
                log(level, msg, **fields)
            if end is not None:
                return str(end)
        return "STOPPED"


def open_hosted(name: str, options: HostOptions) -> HostedServer:
    """The actor of this name, made if it isn't there. Raises StartError."""
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        handle = _actor(name, options)
        try:
            facts = ray.get(handle.open.remote(), timeout=OPEN_SECONDS)
            return HostedServer(name, handle, msgspec.msgpack.decode(facts, type=Facts))
        except exceptions.RayTaskError as error:
            cause = error.cause
            if not isinstance(cause, StartError):
                raise StartError("RAY_START_FAILED", f"The server's actor failed: {error}") from error
            if cause.code != "SERVER_DIED" or time.monotonic() > deadline:
                raise cause from error
        except exceptions.RayActorError as error:
            if time.monotonic() > deadline:
                raise StartError("RAY_START_FAILED", f"The server's actor died while it started: {error}") from error
        except exceptions.GetTimeoutError as error:
            raise StartError(
                "RAY_START_FAILED", f"The server's actor {name} didn't start within {OPEN_SECONDS:g} s."
            ) from error
        # It is ending, and its name is free in a moment.
        time.sleep(0.2)


def find_hosted(name: str, namespace: str) -> HostedServer | None:
    """The live actor of this name; None where Ray knows of none, or of a dead one."""
    try:
        handle = ray.get_actor(name, namespace=namespace)
        facts = ray.get(handle.open.remote(), timeout=POLL_SECONDS * 5)
    except (ValueError, exceptions.ActorDiedError):
        return None
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, StartError):
            return None
        raise
    return HostedServer(name, handle, msgspec.msgpack.decode(facts, type=Facts))


def ray_error() -> type[Exception]:
    return exceptions.RayError


def is_dead(error: Exception) -> bool:
    """Ray knows that the actor is dead; not only that it can't be reached."""
    return isinstance(error, exceptions.ActorDiedError)


def _actor(name: str, options: HostOptions) -> Any:
    remote = ray.remote(ServerHost).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=0,
        max_concurrency=_THREADS,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=_home(), soft=False),
    )
    return remote.remote(msgspec.msgpack.encode(options))


def _home() -> str:
    """A node that outlives the worker: ours if it is the head or offers CPUs, else the head."""
    here = str(ray.get_runtime_context().get_node_id())
    nodes = {str(node["NodeID"]): node["Resources"] for node in ray.nodes() if node["Alive"]}
    if nodes.get(here, {}).get("CPU", 0) > 0 or _HEAD in nodes.get(here, {}):
        return here
    return next((node for node, resources in nodes.items() if _HEAD in resources), here)
