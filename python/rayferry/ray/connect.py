"""Starts a Ray of our own, or connects to a cluster. Whatever goes wrong becomes a StartError that says what to do."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import ray
import ray.exceptions
from ray._raylet import GcsClient  # type: ignore[attr-defined]

from rayferry.bridge.fields import ClusterInfo
from rayferry.errors import StartError
from rayferry.log import log_to_stderr
from rayferry.ray.packages import code_to_ship

NAMESPACE = "rayferry"
PROBE_SECONDS = 3.0
# ray.init() to an address that is there but doesn't answer goes on for more than ten minutes.
INIT_SECONDS = 60.0
EXIT_START = 3
# What Ray appends to its temp dir for the longest of its sockets, and the kernel's limit.
_SOCKET_TAIL = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
_MAX_SOCKET_PATH = 107


class Cluster(Protocol):
    """What a runner needs to know of its cluster."""

    @property
    def address(self) -> str | None:
        """None: a Ray of our own, which ends with this process."""

    @property
    def temp_dir(self) -> str | None: ...

    def open(self) -> ClusterInfo:
        """Raises StartError."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Connection:
    """`address` None: start a Ray of our own on this machine. `node_ip`: which raylet to belong to, where this
    machine has several."""

    address: str | None
    modules: Sequence[str]
    temp_dir: str | None = None
    num_cpus: int | None = None
    node_ip: str | None = None

    def open(self) -> ClusterInfo:
        """From the main thread: the kernel ends a local Ray together with the thread that started it."""
        if self.address is None:
            _check_temp_dir(self.temp_dir)
        else:
            _check_address(self.address)
        done = watch_init(self.address, self.node_ip)
        try:
            if self.address is not None:
                _check_token(self.address)
            address = self._init()
        except StartError:
            raise
        except Exception as error:
            raise start_error(error, self.address) from error
        finally:
            done.set()
        return describe_cluster(address)

    def close(self) -> None:
        ray.shutdown(wait_for_processes=True)

    def _init(self) -> str:
        if self.address is None:
            context = ray.init(
                address="local",
                include_dashboard=False,
                namespace=NAMESPACE,
                num_cpus=self.num_cpus,
                configure_logging=False,
                # What tasks print comes out on our stderr.
                log_to_driver=True,
                _temp_dir=self.temp_dir,
                _node_ip_address="127.0.0.1",
            )
        else:
            context = ray.init(
                address=self.address,
                namespace=NAMESPACE,
                configure_logging=False,
                # The cluster keeps its tasks' logs; all nodes' prints at once are more than one pipe should carry.
                log_to_driver=False,
                runtime_env={"py_modules": code_to_ship(self.modules)},
                # Ray looks for this machine's raylets in its list of processes, and takes the head's of several.
                _node_ip_address=self.node_ip,
            )
        return str(context.address_info["gcs_address"])


def dead_processes() -> list[str]:
    """Which of the processes that a Ray of our own can't do without have ended."""
    node = ray._private.worker._global_node
    if node is None:
        return []
    return [name for name, _ in node.dead_processes() if name in ("gcs_server", "raylet")]


def describe_cluster(address: str) -> ClusterInfo:
    resources = ray.cluster_resources()
    return ClusterInfo(
        address=address,
        ray=ray.__version__,
        nodes=sum(bool(node["Alive"]) for node in ray.nodes()),
        cpus=float(resources.get("CPU", 0)),
        gpus=float(resources.get("GPU", 0)),
    )


def _check_temp_dir(temp_dir: str | None) -> None:
    if temp_dir is None:
        return
    length = len(os.fsencode(temp_dir)) + _SOCKET_TAIL
    if length > _MAX_SOCKET_PATH:
        limit = _MAX_SOCKET_PATH - _SOCKET_TAIL
        raise StartError(
            "RAY_START_FAILED",
            f"--ray-temp-dir {temp_dir} is too long: Ray puts unix sockets beneath it, whose paths have at most "
            f"{_MAX_SOCKET_PATH} bytes. Use one of at most {limit} bytes.",
        )


def _check_address(address: str) -> None:
    """Fast answers to the common mistakes: ray.init() takes minutes for the one and 20 s for the other."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise StartError("BAD_ARGUMENT", f"--ray-address expects HOST:PORT of the Ray head, got {address!r}.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise StartError(
            "RAY_UNREACHABLE",
            f"Nothing answers at the Ray address {address} ({error}). Check that the head runs "
            "(`ray status`), that this is its GCS port (default 6379) and that this machine may reach it.",
        ) from error


def _check_token(address: str) -> None:
    try:
        GcsClient(address=address)
    except ray.exceptions.AuthenticationError as error:
        raise start_error(error, address) from error
    except Exception:
        # Whatever else is wrong, ray.init() says it better.
        return


def watch_init(address: str | None, node_ip: str | None) -> threading.Event:
    done = threading.Event()

    def watch() -> None:
        if not done.wait(INIT_SECONDS):
            where = f"the Ray cluster at {address}" if address else "a local Ray"
            code = "RAY_UNREACHABLE" if address else "RAY_START_FAILED"
            what = f"No answer from {where} for {INIT_SECONDS:g} s. Is it healthy? Try `ray status`."
            if address and node_ip:
                what += f" (RAYFERRY_RAY_NODE_IP asks for its node {node_ip} on this machine: is that there?)"
            log_to_stderr("fatal", what, code=code)
            os._exit(EXIT_START)

    threading.Thread(target=watch, name="ray-init", daemon=True).start()
    return done


def start_error(error: Exception, address: str | None) -> StartError:
    text = str(error).strip()
    where = f"the Ray cluster at {address}" if address else "a local Ray"
    if "Version mismatch" in text:
        return StartError(
            "RAY_VERSION_MISMATCH",
            f"This process and {where} differ in Ray or Python, which must be equal to the patch. {text}\n"
            "Install the cluster's versions here, or start the worker with a Python that has them.",
        )
    if isinstance(error, ray.exceptions.AuthenticationError) or "token" in text.lower():
        return StartError(
            "RAY_AUTH_FAILED",
            f"Connecting to {where} failed for its token: {text}\n"
            "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) as on the head; "
            "RAY_AUTH_MODE=disabled where it has none.",
        )
    remedy = (
        "The sidecar has to run on a node of the cluster: on the head, or one joined with `ray start --address`."
        if address
        else "Look into its logs, beneath the Ray temp dir."
    )
    return StartError("RAY_START_FAILED", f"Starting {where} failed: {type(error).__name__}: {text}\n{remedy}")
