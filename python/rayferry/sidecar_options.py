"""The sidecar's command line, checked."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from rayferry.errors import StartError

RUNNERS = ("local", "cluster", "sync")
DEFAULT_AUTHORITY_SECONDS = 8.0
DEFAULT_ORPHAN_GRACE = 600.0
DEFAULT_MAX_RESULT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Options:
    endpoint: str
    runner: str
    modules: tuple[str, ...]
    ray_address: str | None
    ray_temp_dir: str | None
    num_cpus: int | None
    authority_seconds: float
    max_result_bytes: int
    hosted: bool
    worker: str | None
    database: str | None
    orphan_grace: float


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError("BAD_ARGUMENT", f"{message}. See `python -m rayferry sidecar --help`.")


def parse_options(argv: Sequence[str] | None) -> Options:
    """Raises StartError; `--help` prints and exits."""
    parsed = _parser().parse_args(argv)
    modules = tuple(part.strip() for each in parsed.tasks for part in each.split(",") if part.strip())
    if not modules:
        raise StartError("NO_TASKS", "No module with tasks was named. Name one with --task-modules, like `my_tasks`.")
    if parsed.runner == "cluster" and not parsed.ray_address:
        raise StartError("BAD_ARGUMENT", "--runner cluster needs --ray-address HOST:PORT, the address of the Ray head.")
    if parsed.hosted:
        _check_hosted(parsed.runner, parsed.worker, parsed.database)
    if parsed.authority_seconds <= 0 or parsed.max_result_bytes <= 0:
        raise StartError("BAD_ARGUMENT", "--authority-seconds and --max-result-bytes expect a number above 0.")
    return Options(
        endpoint=parsed.endpoint,
        runner=parsed.runner,
        modules=modules,
        ray_address=parsed.ray_address,
        ray_temp_dir=parsed.ray_temp_dir,
        num_cpus=parsed.num_cpus,
        authority_seconds=parsed.authority_seconds,
        max_result_bytes=parsed.max_result_bytes,
        hosted=parsed.hosted,
        worker=parsed.worker,
        database=parsed.database,
        orphan_grace=parsed.orphan_grace,
    )


def _check_hosted(runner: str, worker: str | None, database: str | None) -> None:
    if runner != "cluster":
        raise StartError("BAD_ARGUMENT", "--hosted goes with --runner cluster: only a cluster outlives its worker.")
    if not worker or not database:
        raise StartError("BAD_ARGUMENT", "--hosted needs --worker and --database, which name the server's actor.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m rayferry", description="The Python half of rayferry.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    sidecar = commands.add_parser(
        "sidecar",
        allow_abbrev=False,
        help="host a server for the worker that starts this process",
        description="Hosts a server for the worker that starts it. Ends when its stdin ends.",
    )
    add = sidecar.add_argument
    add("--endpoint", required=True, metavar="ipc:///PATH", help="where to listen, in a folder only you may enter")
    add("--runner", required=True, choices=RUNNERS, help="a Ray of its own, a Ray cluster, or no Ray")
    add(
        "--task-modules", "--tasks", dest="tasks", action="append", default=[], metavar="A,B", help="modules with tasks"
    )
    add("--ray-address", metavar="HOST:PORT", help="of the Ray head; with --runner cluster")
    add("--ray-temp-dir", metavar="DIR", help="for Ray's session files, removed at the end; with --runner local")
    add("--num-cpus", type=int, metavar="N", help="CPUs that Ray may use, default all; with --runner local")
    add("--authority-seconds", type=float, default=DEFAULT_AUTHORITY_SECONDS, metavar="S", help="default %(default)s")
    add("--max-result-bytes", type=int, default=DEFAULT_MAX_RESULT_BYTES, metavar="N", help="default %(default)s")
    add("--hosted", action="store_true", help="host the server in a detached actor; with --runner cluster")
    add("--worker", metavar="NAME", help="the worker's name, part of the actor's; with --hosted")
    add("--database", metavar="DIGEST", help="which database, part of the actor's name; with --hosted")
    add("--orphan-grace", type=float, default=DEFAULT_ORPHAN_GRACE, metavar="S", help="default %(default)s")
    return parser
