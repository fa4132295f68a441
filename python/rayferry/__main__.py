"""`python -m rayferry sidecar|server|keys ...`"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from rayferry.errors import StartError
from rayferry.host import EXIT_START
from rayferry.hosting_options import Parser
from rayferry.log import log_to_stderr
from rayferry.make_keys import add_keys_arguments, keys_options, run_keys
from rayferry.server_options import add_server_arguments, server_options
from rayferry.sidecar import run_sidecar
from rayferry.sidecar_options import add_sidecar_arguments, sidecar_options
from rayferry.standalone import run_standalone


def main(argv: Sequence[str] | None = None) -> NoReturn:
    # What tasks print: into a pipe or a file Python writes by the block, and what is in it at `_exit` never.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        status = _run(argv)
    except StartError as error:
        log_to_stderr("fatal", error.message, code=error.code)
        status = EXIT_START
    except Exception as error:
        sentence = f"The process failed: {type(error).__name__}: {error}"
        log_to_stderr("fatal", sentence, code="INTERNAL", traceback=traceback.format_exc())
        status = EXIT_START
    # Past the interpreter's own end: Ray's exit hooks would take another half second for what is done.
    os._exit(status)


def _run(argv: Sequence[str] | None) -> int:
    parsed = _parser().parse_args(argv)
    match parsed.command:
        case "sidecar":
            return run_sidecar(sidecar_options(parsed))
        case "server":
            return run_standalone(server_options(parsed))
        case _:
            return run_keys(keys_options(parsed))


def _parser() -> Parser:
    parser = Parser(prog="python -m rayferry", description="The Python half of rayferry.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    add_sidecar_arguments(
        commands.add_parser(
            "sidecar",
            allow_abbrev=False,
            help="host a server for the worker that starts this process",
            description="Hosts a server for the worker that starts it. Ends when its stdin ends.",
        )
    )
    add_server_arguments(
        commands.add_parser(
            "server",
            allow_abbrev=False,
            help="host a server for a worker elsewhere, by hand",
            description="Hosts a server for a worker off the cluster: rayferry worker --server tcp://HOST:PORT. "
            "Prints one line of JSON, where it listens and its public key, and ends on SIGTERM.",
        )
    )
    add_keys_arguments(
        commands.add_parser(
            "keys",
            allow_abbrev=False,
            help="make CURVE keys for server and worker",
            description="Makes a server's pair and a client's, or the one that --name names. Never writes over a file.",
        )
    )
    return parser


if __name__ == "__main__":
    main()
