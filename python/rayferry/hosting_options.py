"""What a process that hosts a server is told of the work, whoever starts it. Checked.

RAYFERRY_RAY_NODE_IP is read here: it is a fact of the machine, not of the work.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from rayferry.errors import StartError

RUNNERS = ("local", "cluster", "sync")
DEFAULT_AUTHORITY_SECONDS = 8.0
DEFAULT_MAX_RESULT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Hosting:
    runner: str
    modules: tuple[str, ...]
    ray_address: str | None
    # Which raylet, where several of the cluster run on this machine; None: the head's, or whichever Ray finds.
    ray_node_ip: str | None
    ray_temp_dir: str | None
    num_cpus: int | None
    authority_seconds: float
    max_result_bytes: int


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError("BAD_ARGUMENT", f"{message}. See `{self.prog} --help`.")


def add_hosting_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--runner", required=True, choices=RUNNERS, help="a Ray of its own, a Ray cluster, or no Ray")
    add(
        "--task-modules", "--tasks", dest="tasks", action="append", default=[], metavar="A,B", help="modules with tasks"
    )
    add("--ray-address", metavar="HOST:PORT", help="of the Ray head; with --runner cluster")
    add("--ray-temp-dir", metavar="DIR", help="for Ray's session files, removed at the end; with --runner local")
    add("--num-cpus", type=int, metavar="N", help="CPUs that Ray may use, default all; with --runner local")
    add("--authority-seconds", type=float, default=DEFAULT_AUTHORITY_SECONDS, metavar="S", help="default %(default)s")
    add("--max-result-bytes", type=int, default=DEFAULT_MAX_RESULT_BYTES, metavar="N", help="default %(default)s")


def hosting_of(parsed: argparse.Namespace) -> Hosting:
    """Raises StartError."""
    modules = split_list(parsed.tasks)
    if not modules:
        raise StartError("NO_TASKS", "No module with tasks was named. Name one with --task-modules, like `my_tasks`.")
    if parsed.runner == "cluster" and not parsed.ray_address:
        raise StartError("BAD_ARGUMENT", "--runner cluster needs --ray-address HOST:PORT, the address of the Ray head.")
    if (parsed.ray_address or "").startswith("ray://") and not getattr(parsed, "hosted", False):
        raise StartError(
            "BAD_ARGUMENT",
            "A ray:// address goes with --hosted alone: nothing is submitted through Ray's client. "
            "Start this on a node of the cluster, with the address of the head's GCS, HOST:6379.",
        )
    if parsed.authority_seconds <= 0 or parsed.max_result_bytes <= 0:
        raise StartError("BAD_ARGUMENT", "--authority-seconds and --max-result-bytes expect a number above 0.")
    return Hosting(
        runner=parsed.runner,
        modules=modules,
        ray_address=parsed.ray_address,
        ray_node_ip=os.environ.get("RAYFERRY_RAY_NODE_IP") or None,
        ray_temp_dir=parsed.ray_temp_dir,
        num_cpus=parsed.num_cpus,
        authority_seconds=parsed.authority_seconds,
        max_result_bytes=parsed.max_result_bytes,
    )


def split_list(given: Sequence[str]) -> tuple[str, ...]:
    """Of an option that is given several times, or with commas."""
    return tuple(part.strip() for each in given for part in each.split(",") if part.strip())
