"""A sidecar whose server lives in an actor on the cluster: it creates, watches and relays, and nothing else.

Exit status: 0 the worker is gone or the server was told to end, 3 it couldn't start, 5 the actor or its cluster is gone
(the last line on stderr says which: SERVER_DIED only where Ray knows that the actor is dead).
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from rayferry import __version__
from rayferry.control import Control
from rayferry.log import log_to_stderr

if TYPE_CHECKING:
    from rayferry.ray.host_client import HostedServer
    from rayferry.reach import Ways
    from rayferry.sidecar_options import Options

EXIT_BROKEN = 5


class HostedSidecar:
    def __init__(self, options: Options, control: Control) -> None:
        self._options = options
        self._control = control
        self._stopped = threading.Event()
        self._ways: Ways | None = None

    def end(self, reason: str) -> None:
        """The worker is gone, or a signal came: from any thread."""
        log_to_stderr("info", "Stopping.", reason=reason)
        self._stopped.set()
        # Nothing runs in this process: the server goes on without it.
        self._remove_endpoints()
        os._exit(0)

    def run(self) -> int:
        """From the main thread. Raises StartError."""
        options = self._options
        from rayferry.ray.client import ClientConnection, is_client_address
        from rayferry.ray.connect import Connection
        from rayferry.ray.generation import generation
        from rayferry.ray.host_client import open_hosted
        from rayferry.ray.hosting import HostOptions
        from rayferry.ray.packages import code_to_ship
        from rayferry.reach import Ways

        address = options.ray_address
        if address is not None and is_client_address(address):
            ClientConnection(address, options.modules, log_to_stderr).open()
        else:
            Connection(address=address, modules=options.modules, node_ip=options.ray_node_ip).open()
        made_of = generation(__version__, code_to_ship(options.modules))
        name = f"rayferry:{options.worker}:{options.database}:{made_of}"
        host = HostOptions(made_of, list(options.modules), options.max_result_bytes, options.orphan_grace)
        server = open_hosted(name, host, options.host_on, log_to_stderr)
        self._ways = Ways(options.endpoint, log_to_stderr)
        way = self._ways.to(server)
        log_to_stderr(
            "info", "Serving.", endpoint=way.endpoint, actor=name, pid=server.facts.pid, node=server.facts.node_id
        )
        actor = {"name": name, "namespace": server.namespace}
        self._control.tell("serving", endpoint=way.endpoint, curve=way.curve, actor=actor)
        return self._follow(server)

    def take(self, command: dict[str, Any]) -> None:
        """A command of the worker's; each is answered by an event."""
        if command["command"] != "relay":
            log_to_stderr("warn", "Ignored an unknown command.", command=command["command"])
            return
        name, namespace = str(command.get("name")), str(command.get("namespace"))
        threading.Thread(target=self._answer_relay, args=(name, namespace), name="relay-open", daemon=True).start()

    def _follow(self, server: HostedServer) -> int:
        from rayferry.ray.host_client import is_dead, ray_errors

        try:
            end = server.follow(log_to_stderr, lambda: not self._stopped.is_set())
        except ray_errors() as error:
            dead = is_dead(error)
            sentence = "The actor that hosted the server died" if dead else "The cluster can't be reached any more"
            log_to_stderr("fatal", f"{sentence}: {error}", code="SERVER_DIED" if dead else "RAY_UNREACHABLE")
            return EXIT_BROKEN
        finally:
            self._remove_endpoints()
        if end in ("CLOSED", "STOPPED"):
            return 0
        log_to_stderr("fatal", f"The server ended: {end}.", code="SERVER_DIED")
        return EXIT_BROKEN

    def _answer_relay(self, name: str, namespace: str) -> None:
        from rayferry.ray.host_client import find_hosted

        way, dead, reason = None, False, None
        try:
            server = find_hosted(name, namespace)
            if server is None:
                dead, reason = True, "Ray knows of no living actor of this name."
            else:
                way = self._open().to(server)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        endpoint, curve = (way.endpoint, way.curve) if way else (None, None)
        self._control.tell("relay", actor=name, endpoint=endpoint, curve=curve, dead=dead, reason=reason)

    def _open(self) -> Ways:
        if self._ways is None:
            raise RuntimeError("This sidecar doesn't serve yet.")
        return self._ways

    def _remove_endpoints(self) -> None:
        if self._ways is not None:
            self._ways.remove_files()
