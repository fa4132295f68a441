"""The two sides of a task link in miniature: plain lists over raw sockets, made without the code under test."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import Any

import msgspec
import zmq
from support import until

from rayferry.tasklink.messages import LinkAddress


def said(lines: list[tuple[str, str, dict[str, Any]]]) -> Any:
    """A log that remembers."""

    def log(level: str, msg: str, /, **fields: object) -> None:
        lines.append((level, msg, fields))

    return log


class Heard:
    """A listener that remembers, and does nothing else."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def begun(self, process: Any, ray_task_id: str | None) -> None:
        self.all.append(("begun", process.worker_id, process.pid, ray_task_id))

    def progress(self, *values: Any) -> None:
        self.all.append(("progress", *values))

    def log(self, *values: Any) -> None:
        self.all.append(("log", *values))

    def ended(self, outcome: Any) -> None:
        self.all.append(("ended", outcome))

    def leaving(self, why: str) -> None:
        self.all.append(("leaving", why))

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [each for each in list(self.all) if each[0] == kind]


class _Peer:
    def __init__(self, kind: int) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.inbox: list[list[Any]] = []

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close(0)
        self.context.term()

    def take(self) -> None:
        while True:
            try:
                parts = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self.note(parts)

    def note(self, parts: list[bytes]) -> None:
        self.inbox += msgspec.msgpack.decode(parts[-1])

    def expect(self, kind: str, seconds: float = 5) -> list[Any]:
        """The next message of this kind; others before it are gone."""

        def look() -> list[Any] | None:
            self.take()
            for index, message in enumerate(self.inbox):
                if message[0] == kind:
                    del self.inbox[:index]
                    return self.inbox.pop(0)
            return None

        return until(f"`{kind}`", look, seconds)


class ScriptedProcess(_Peer):
    """A DEALER that says what the test says."""

    def __init__(self, address: LinkAddress, **keys: bytes) -> None:
        super().__init__(zmq.DEALER)
        endpoint = f"ipc://{address.ipc}"
        if address.tcp is not None and (keys or address.ipc is None):
            endpoint = address.tcp
            for option, value in (
                (zmq.CURVE_SERVERKEY, address.server_key),
                (zmq.CURVE_PUBLICKEY, keys.get("public", address.public_key)),
                (zmq.CURVE_SECRETKEY, keys.get("secret", address.secret_key)),
            ):
                self.socket.setsockopt(option, value)
        self.socket.connect(endpoint)

    def send(self, *messages: list[Any]) -> None:
        self.socket.send(msgspec.msgpack.encode(list(messages)))

    def attach(self, worker: str = "w1") -> None:
        self.send(["attached", 1, worker, "n1", os.getpid()])


class ScriptedHub(_Peer):
    """A ROUTER that says what the test says, to the one process that came."""

    def __init__(self, folder: str) -> None:
        super().__init__(zmq.ROUTER)
        self.socket.bind(f"ipc://{folder}/hub")
        self.address = LinkAddress(uuid.uuid4().hex, None, f"{folder}/hub", None, b"", b"", b"")
        self.peer = b""
        self.grant = 60.0
        self.ticks = 0

    def note(self, parts: list[bytes]) -> None:
        self.peer = parts[0]
        for message in msgspec.msgpack.decode(parts[-1]):
            if message[0] == "tick":
                self.ticks += 1
                self.send(["authority", message[1], self.grant])
            else:
                self.inbox.append(message)

    def send(self, *messages: list[Any]) -> None:
        self.socket.send_multipart([self.peer, msgspec.msgpack.encode(list(messages))])


def short_folder() -> tempfile.TemporaryDirectory[str]:
    """Whose path fits in a unix socket's, wherever pytest puts its own."""
    return tempfile.TemporaryDirectory(prefix="rf-", dir="/tmp", ignore_cleanup_errors=True)


def path_of(folder: str) -> Path:
    return Path(folder, "hub")
