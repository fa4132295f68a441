"""What a sidecar and its worker say to each other beside the bridge, one JSON object a line: events on stdout, commands
on stdin. The end of stdin is the worker's end, however it died.

Events: `serving` {endpoint, curve, actor: {name, namespace} or null}; `relay` {actor, endpoint or null, curve, dead,
reason or null}. `curve` is {serverKey, publicKey, secretKey} or null: a secret goes through this pipe and nowhere else.
Commands: `relay` {name, namespace}: asks for the way to a server.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from rayferry.log import Log

OnCommand = Callable[[dict[str, Any]], None]


class Control:
    """Takes stdout for events alone: what Ray and user modules print from now on goes to stderr, with the log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        sys.stdout.flush()
        self._out = os.dup(1)
        os.dup2(2, 1)

    def tell(self, event: str, **fields: object) -> None:
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        try:
            os.write(self._out, line)
        except OSError:
            # The reader is gone; the end of stdin says so too.
            return

    def give_back(self) -> None:
        """stdout is everybody's again."""
        os.dup2(self._out, 1)

    def listen(self, on_command: OnCommand, on_end: Callable[[str], None]) -> None:
        def run() -> None:
            try:
                self._read(on_command)
            except OSError as error:
                self._log("debug", "stdin failed.", reason=str(error))
            on_end("stdin ended: the worker is gone")

        threading.Thread(target=run, name="stdin", daemon=True).start()

    def _read(self, on_command: OnCommand) -> None:
        rest = b""
        while chunk := os.read(0, 65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line, on_command)

    def _take(self, line: bytes, on_command: OnCommand) -> None:
        try:
            command = json.loads(line)
            if not isinstance(command, dict) or not isinstance(command.get("command"), str):
                raise ValueError("expected an object with a `command`")
        except ValueError as error:
            self._log("warn", "Ignored a line on stdin.", reason=str(error))
            return
        on_command(command)
