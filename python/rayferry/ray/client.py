"""A sidecar's connection by Ray's client, `ray://HOST:PORT`: for a worker that can't be a node of the cluster.

It serves for finding, making and watching the actor that hosts the server, and for relaying to it. Nothing is submitted
through it: the server lives in the cluster, and so outlives this connection, which Ray gives up when it has been broken
for 30 s.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import ray

from rayferry.bridge.fields import ClusterInfo
from rayferry.errors import StartError
from rayferry.log import Log
from rayferry.ray.connect import NAMESPACE, PROBE_SECONDS, describe_cluster, start_error, watch_init
from rayferry.ray.packages import code_to_ship

SCHEME = "ray://"


def is_client_address(address: str | None) -> bool:
    return address is not None and address.startswith(SCHEME)


@dataclass(frozen=True)
class ClientConnection:
    address: str
    modules: Sequence[str]
    log: Log

    def open(self) -> ClusterInfo:
        """Raises StartError."""
        _check_grpc()
        _check_address(self.address)
        done = watch_init(self.address, None)
        try:
            ray.init(
                address=self.address,
                namespace=NAMESPACE,
                configure_logging=False,
                log_to_driver=False,
                runtime_env={"py_modules": code_to_ship(self.modules)},
            )
        except Exception as error:
            raise start_error(error, self.address) from error
        finally:
            done.set()
        self.log(
            "warn",
            f"Connected by Ray's client, {self.address}: where the server's own port can't be reached, every message "
            "takes tens of milliseconds through the client's proxy on the head. Where it can join the cluster "
            "(`ray start --address`), --ray-address HOST:6379 is faster; so is a server started by hand (--server tcp://).",
        )
        return describe_cluster(str(ray.get_runtime_context().gcs_address))


def _check_grpc() -> None:
    if importlib.util.find_spec("grpc") is None:
        raise StartError(
            "MISSING_PACKAGE",
            f"A ray:// address needs grpcio, which this Python ({sys.executable}) lacks. "
            f"Install with: {sys.executable} -m pip install 'ray[client]'",
        )


def _check_address(address: str) -> None:
    """A fast answer: Ray's client tries for 30 s."""
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    if not host or not port.isdecimal():
        raise StartError("BAD_ARGUMENT", f"--ray-address expects ray://HOST:PORT of the Ray head, got {address!r}.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise StartError(
            "RAY_UNREACHABLE",
            f"Nothing answers at {address} ({error}). Check that the head runs (`ray status`), that its server for "
            "Ray's client is on (the head's Python needs ray[client] or ray[default]), that this is its port "
            "(default 10001) and that this machine may reach it.",
        ) from error
