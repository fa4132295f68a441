"""The options of `python -m rayferry server`, checked. Its environment is read here."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from rayferry.endpoint import IpcEndpoint, parse_endpoint
from rayferry.errors import StartError
from rayferry.hosting_options import Hosting, add_hosting_arguments, hosting_of, split_list


@dataclass(frozen=True)
class ServerOptions(Hosting):
    endpoint: str
    # None without CURVE.
    keys: Path | None
    clients: tuple[Path, ...]
    plain_tcp: bool


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--listen", required=True, metavar="ENDPOINT", help="tcp://HOST:PORT (0: a free port) or ipc:///PATH")
    add("--keys", metavar="FILE", help="this server's own .key file (or RAYFERRY_KEYS)")
    add(
        "--clients",
        action="append",
        metavar="FILE,DIR",
        help="the .pub files of the workers that may connect, or folders of them (or RAYFERRY_CLIENTS)",
    )
    add("--plain-tcp", action="store_true", help="INSECURE: without keys, whoever reaches the port may run any task")
    add_hosting_arguments(parser)


def server_options(parsed: argparse.Namespace) -> ServerOptions:
    """Raises StartError."""
    hosting = hosting_of(parsed)
    endpoint = parse_endpoint(parsed.listen, "--listen")
    keys = parsed.keys or os.environ.get("RAYFERRY_KEYS")
    clients = split_list(parsed.clients or [os.environ.get("RAYFERRY_CLIENTS", "")])
    if isinstance(endpoint, IpcEndpoint) and (keys or clients):
        raise StartError(
            "BAD_ARGUMENT", "An ipc:// endpoint is protected by its folder: leave out --keys and --clients."
        )
    if parsed.plain_tcp and (keys or clients):
        raise StartError("BAD_ARGUMENT", "--plain-tcp means without keys: leave out either it or --keys and --clients.")
    if bool(keys) != bool(clients):
        raise StartError(
            "BAD_ARGUMENT",
            "--keys (this server's own .key file) and --clients (the .pub files of those who may connect) go together.",
        )
    return ServerOptions(
        **vars(hosting),
        endpoint=str(endpoint),
        keys=Path(keys) if keys else None,
        clients=tuple(Path(each) for each in clients),
        plain_tcp=parsed.plain_tcp,
    )
