"""The options of `python -m rayferry sidecar`, checked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from rayferry.endpoint import IpcEndpoint, parse_endpoint
from rayferry.errors import StartError
from rayferry.hosting_options import Hosting, add_hosting_arguments, hosting_of

DEFAULT_ORPHAN_GRACE = 600.0


@dataclass(frozen=True)
class Options(Hosting):
    # ipc:// and an absolute path.
    endpoint: str
    hosted: bool
    worker: str | None
    database: str | None
    orphan_grace: float
    # head, node, or which; None: a node that outlives the worker.
    host_on: str | None


def add_sidecar_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--endpoint", required=True, metavar="ipc:///PATH", help="where to listen, in a folder only you may enter")
    add_hosting_arguments(parser)
    add("--hosted", action="store_true", help="host the server in a detached actor; with --runner cluster")
    add("--worker", metavar="NAME", help="the worker's name, part of the actor's; with --hosted")
    add("--database", metavar="DIGEST", help="which database, part of the actor's name; with --hosted")
    add("--host-on", metavar="head|node|NODE", help="where the actor lives: NODE is an id, address or host name")
    add("--orphan-grace", type=float, default=DEFAULT_ORPHAN_GRACE, metavar="S", help="default %(default)s")


def sidecar_options(parsed: argparse.Namespace) -> Options:
    """Raises StartError."""
    hosting = hosting_of(parsed)
    if parsed.hosted:
        _check_hosted(parsed.runner, parsed.worker, parsed.database)
    elif parsed.host_on is not None:
        raise StartError("BAD_ARGUMENT", "--host-on goes with --hosted: it says where the server's actor lives.")
    endpoint = parse_endpoint(parsed.endpoint, "--endpoint")
    if not isinstance(endpoint, IpcEndpoint):
        raise StartError(
            "BAD_ENDPOINT",
            f"A sidecar is on its worker's machine, so --endpoint expects ipc:// and an absolute path, got {endpoint}. "
            "For a worker elsewhere: python -m rayferry server --listen tcp://HOST:PORT",
        )
    return Options(
        **vars(hosting),
        endpoint=str(endpoint),
        hosted=parsed.hosted,
        worker=parsed.worker,
        database=parsed.database,
        orphan_grace=parsed.orphan_grace,
        host_on=parsed.host_on,
    )


def _check_hosted(runner: str, worker: str | None, database: str | None) -> None:
    if runner != "cluster":
        raise StartError("BAD_ARGUMENT", "--hosted goes with --runner cluster: only a cluster outlives its worker.")
    if not worker or not database:
        raise StartError("BAD_ARGUMENT", "--hosted needs --worker and --database, which name the server's actor.")
