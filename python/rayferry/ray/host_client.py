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
from rayferry.ray.placement import Node, choose_node, read_nodes

# For the actor's process, Ray's first task processes and the import of the modules.
OPEN_SECONDS = 90.0
POLL_SECONDS = 2.0
ADMIT_SECONDS = 10.0
# A temporary loss of the actor's node isn't its death.
UNAVAILABLE_SECONDS = 10.0
# Each poll and each relay holds a thread of the actor.
_THREADS = 16


class HostedServer:
    """The actor of one generation of this worker's server."""

    def __init__(self, name: str, handle: Any, facts: Facts) -> None:
        self.name = name
        self.namespace = NAMESPACE
        self.facts = facts
        self._handle = handle

    @property
    def near_endpoint(self) -> str | None:
        """Of its socket, where that can be reached from this process."""
        same = self.facts.node_id == ray.get_runtime_context().get_node_id()
        return self.facts.endpoint if same and Path(self.facts.endpoint.removeprefix("ipc://")).exists() else None

    def exchange(self, peer: bytes, frames: list[bytes], seconds: float) -> list[bytes]:
        return ray.get(self._handle.exchange.remote(peer, frames, seconds))

    def admit(self, public_key: str) -> tuple[str, str]:
        """(endpoint, the server's public key) for a client of this key. Raises RayError; AttributeError where the actor
        is of a version that can't."""
        return ray.get(self._handle.admit.remote(public_key), timeout=ADMIT_SECONDS)

    def follow(self, log: Log, going_on: Callable[[], bool]) -> str:
        """Pass its log on, from where the last sidecar had it, until it ends; why it ended. Raises RayError where only
        Ray can say."""
        after = self.facts.heard
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


def open_hosted(name: str, options: HostOptions, host_on: str | None, log: Log) -> HostedServer:
    """The actor of this name, made if it isn't there, on the node that `host_on` names. Raises StartError."""
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        node = choose_node(host_on, str(ray.get_runtime_context().get_node_id()), read_nodes())
        handle = _actor(name, options, node)
        try:
            facts = msgspec.msgpack.decode(ray.get(handle.open.remote(), timeout=OPEN_SECONDS), type=Facts)
            if host_on is not None and facts.node_id != node.id:
                _warn_of_place(facts, node, log)
            return HostedServer(name, handle, facts)
        except exceptions.RayTaskError as error:
            cause = error.cause
            if not isinstance(cause, StartError):
                raise StartError("RAY_START_FAILED", f"The server's actor failed: {error}") from error
            if cause.code != "SERVER_DIED" or time.monotonic() > deadline:
                raise cause from error
        except exceptions.RayActorError as error:
            if time.monotonic() > deadline:
                raise StartError("RAY_START_FAILED", f"The server's actor died while it started: {error}") from error
        except exceptions.ActorUnschedulableError as error:
            # Its affinity is hard. Ray hears of a node's death later than the node dies.
            if time.monotonic() > deadline:
                raise StartError(
                    "RAY_START_FAILED", f"The node {node}, where the server's actor belongs, is gone: {error}"
                ) from error
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


def ray_errors() -> tuple[type[Exception], ...]:
    """The second is how Ray's client says that it gave its connection up."""
    return exceptions.RayError, ConnectionError


def is_dead(error: Exception) -> bool:
    """Ray knows that the actor is dead; not only that it can't be reached."""
    return isinstance(error, exceptions.ActorDiedError)


def _warn_of_place(facts: Facts, asked: Node, log: Log) -> None:
    there = next((str(node) for node in read_nodes() if node.id == facts.node_id), facts.node_id)
    log(
        "warn",
        f"This worker's server lives on {there} already, though --host-on asks for {asked}. It is used, for it may "
        "hold work. The next one, for new code or when this one has ended, will live where it is asked to.",
    )


def _actor(name: str, options: HostOptions, node: Node) -> Any:
    remote = ray.remote(ServerHost).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=0,
        max_concurrency=_THREADS,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node.id, soft=False),
    )
    return remote.remote(msgspec.msgpack.encode(options))
