"""A process that hosts a server: from its options to its exit status.

Exit status: 0 the session was closed or the process was told to end, 3 it couldn't start (the last line on stderr says
why), 4 its authority ran out (one started by hand starts over instead), 5 its Ray died.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from rayferry import __version__, life
from rayferry.errors import StartError
from rayferry.guardian import start_guardian
from rayferry.hosting_options import Hosting
from rayferry.log import log_to_stderr
from rayferry.start_over import default_signals

if TYPE_CHECKING:
    from rayferry.bridge.socket import RouterLink
    from rayferry.server import Server
    from rayferry.server.runner import Runner

EXIT_START = 3
EXIT_AUTHORITY = 4
EXIT_BROKEN = 5
_PIP_NAMES = {"zmq": "pyzmq", "msgspec": "msgspec", "ray": "ray[default]"}


class Host:
    """`run` in the main thread; `end` from any, also from a signal handler. With `start_over`, the end of its authority
    isn't the end of the process, unless it was told to end."""

    def __init__(self, options: Hosting, start_over: Callable[[], NoReturn] | None = None) -> None:
        self._options = options
        self._start_over = start_over
        self._told_to_end = False
        self._server: Server | None = None
        self._serving = threading.Event()

    def run(self, open_link: Callable[[], RouterLink], on_serving: Callable[[RouterLink], None]) -> NoReturn:
        """Raises StartError; else it ends the process."""
        from rayferry.server import Server

        options = self._options
        life.watch_signals(self.end)
        began = time.monotonic()
        runner = _runner(options)
        self._server = server = Server(
            runner, build=__version__, log=log_to_stderr, authority_seconds=options.authority_seconds
        )
        try:
            started = server.start()
            life.watch_signals(self.end)
            for failure in started.registry.failures:
                log_to_stderr("error", failure.message, module=failure.module, traceback=failure.traceback)
            link = open_link()
        except BaseException:
            runner.stop()
            self._remove_temp_dir()
            raise
        life.watch_authority(server.authority.expired, lambda: self._leave(EXIT_AUTHORITY), log_to_stderr)
        log_to_stderr(
            "info",
            "Serving.",
            endpoint=link.endpoint,
            runner=options.runner,
            tasks=len(started.registry.tasks),
            start_seconds=round(time.monotonic() - began, 3),
        )
        self._serving.set()
        on_serving(link)
        self._serve(server, link)

    def end(self, reason: str) -> None:
        log_to_stderr("info", "Stopping.", reason=reason)
        self._told_to_end = True
        if self._server is not None and self._serving.is_set():
            self._server.stop()
            return
        # Still starting, perhaps inside ray.init() for minutes: nothing runs yet, and what Ray started dies with us.
        self._remove_temp_dir()
        os._exit(0)

    def _serve(self, server: Server, link: RouterLink) -> NoReturn:
        end = server.run(link)
        status = {"AUTHORITY_EXPIRED": EXIT_AUTHORITY, "RUNNER_BROKEN": EXIT_BROKEN}.get(end, 0)

        def leave() -> NoReturn:
            link.remove_files()
            self._leave(status)

        life.leave_after(life.CLEAN_END_SECONDS, leave)
        link.close()
        server.shut_down()
        self._remove_temp_dir()
        log_to_stderr("info", "Ended.", reason=end)
        self._leave(status)

    def _leave(self, status: int) -> NoReturn:
        """Past the interpreter's own end: Ray's exit hooks would take another half second for what is done."""
        if status == EXIT_AUTHORITY and self._start_over is not None:
            # A signal from here on ends the process by itself: nobody would read the note that it leaves.
            default_signals()
            if not self._told_to_end:
                self._start_over()
        os._exit(0 if self._told_to_end else status)

    def _remove_temp_dir(self) -> None:
        if self._options.runner == "local" and self._options.ray_temp_dir:
            shutil.rmtree(self._options.ray_temp_dir, ignore_errors=True)


def check_packages(runner: str) -> None:
    """Raises StartError."""
    needed = ["zmq", "msgspec"] if runner == "sync" else ["zmq", "msgspec", "ray"]
    missing = [_PIP_NAMES[name] for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        quoted = " ".join(f"'{name}'" for name in missing)
        raise StartError(
            "MISSING_PACKAGE",
            f"This Python ({sys.executable}) lacks {', '.join(missing)}. "
            f"Install with: {sys.executable} -m pip install {quoted}",
        )


def _runner(options: Hosting) -> Runner:
    if options.runner == "sync":
        from rayferry.sync_runner import SyncRunner

        return SyncRunner(options.modules, options.max_result_bytes)
    # Ray reads its environment when it is imported, so that comes first.
    from rayferry.ray.environment import prepare_environment

    local = options.runner == "local"
    mark = secrets.token_hex(16)
    if local:
        start_guardian(mark, options.ray_temp_dir)
    prepare_environment(local, mark)
    from rayferry.ray.connect import Connection
    from rayferry.ray.runner import RayRunner

    connection = Connection(
        address=None if local else options.ray_address,
        modules=options.modules,
        temp_dir=options.ray_temp_dir if local else None,
        num_cpus=options.num_cpus,
        node_ip=options.ray_node_ip,
    )
    return RayRunner(connection, options.modules, options.max_result_bytes, log_to_stderr)
