"""A worker in miniature for tests: plain lists over a raw DEALER, made without the code under test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import zmq

T = TypeVar("T")
PROJECT = Path(__file__).parent / "project"
PACKAGE = Path(__file__).parent.parent
JSON = "application/json"


def until(what: str, look: Callable[[], T], seconds: float = 10) -> T:
    """Wait for a fact: the first true value of `look`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(mark: str, seconds: float) -> None:
    """Wait until nothing that carries the mark lives."""
    try:
        until("no process of it is left", lambda: not started_by(mark), seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {started_by(mark)}") from None


def started_by(mark: str) -> dict[int, str]:
    """Living processes that have `mark` in their environment: whatever a sidecar started, under any name."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and alive(int(folder.name)):
            with contextlib.suppress(OSError):
                if mark.encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")[:80]
    return found


def program(pid: int) -> str:
    """The name of the program that a process runs."""
    return Path(f"/proc/{pid}/exe").resolve().name


class Welcome(NamedTuple):
    protocol: int
    build: str
    epoch: str
    hello: int
    session: str
    resumed: bool
    received: int
    tick: float
    authority_seconds: float
    pid: int
    python: str
    generation: str | None
    cluster: dict[str, Any] | None
    registry_digest: str
    credit: dict[str, int]
    capabilities: list[str]


class Worker:
    def __init__(
        self, endpoint: str, incarnation: str | None = None, curve: tuple[str, str, str] | None = None
    ) -> None:
        """`curve`: the server's public key, then the worker's own public and secret one."""
        self.incarnation = incarnation or str(uuid.uuid4())
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IDENTITY, self.incarnation.encode())
        if curve is not None:
            server, public, secret = (each.encode() for each in curve)
            self._socket.curve_serverkey = server
            self._socket.curve_publickey, self._socket.curve_secretkey = public, secret
        self._socket.connect(endpoint)
        self.epoch: str | None = None
        self.session: str | None = None
        self.hellos = 0
        self.sent = 0
        self.received = 0
        self.inbox: list[list[Any]] = []
        self.frames: list[list[Any]] = []
        self.tick = 0.0
        # The highest seq of ours that the server has acknowledged.
        self.acked = 0
        # False: as a worker that consumes nothing.
        self.auto_ack = True
        self._consumed = 0
        self._came_at = self._numbered_at = time.monotonic()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close(0)
        self._context.term()

    def raw(self, data: bytes) -> None:
        self._socket.send(data)

    def send(self, *messages: list[Any], **wrong: Any) -> None:
        """A numbered frame."""
        self.sent += 1
        self._send_frame(messages, **{"seq": self.sent} | wrong)

    def say(self, *messages: list[Any], **wrong: Any) -> None:
        """A loose frame."""
        self._send_frame(messages, **{"seq": 0} | wrong)

    def _send_frame(self, messages: tuple[list[Any], ...], **head: Any) -> None:
        frame = {"protocol": 1, "epoch": self.epoch, "seq": 0, "ack": self._ack()} | head
        self.raw(msgspec.msgpack.encode([*frame.values(), list(messages)]))

    def _ack(self) -> int:
        if self.auto_ack:
            self._consumed = self.received
        return self._consumed

    def hello(self, low: int = 1, high: int = 1, **fields: Any) -> None:
        self.hellos += 1
        given = {
            "role": "submit",
            "replaces": [],
            "resume": None,
            "database": None,
            "credit": {"messages": 10_000, "bytes": 16 * 1024 * 1024},
            "capabilities": ["later"],
        } | fields
        message = ["hello", low, high, "0.1.0", "tester", self.incarnation, self.hellos, *given.values()]
        self.say(message, protocol=high, epoch=None, ack=0)

    def greet(self, **fields: Any) -> Welcome:
        """Hello, and whatever follows it: a new session's registry and inventory."""
        self.hello(**fields)
        welcome = Welcome(*self.expect("welcome")[1:])
        self.epoch, self.session = welcome.epoch, welcome.session
        if not welcome.resumed:
            self.registry = self.expect("registry")
            self.inventory = []
            last = False
            while not last:
                _, attempts, last = self.expect("inventory")
                self.inventory += attempts
        return welcome

    def submit(
        self,
        task: str,
        arguments: Any = (),
        fence: int = 1,
        execution: str | None = None,
        timeout: tuple[float | None, float] = (None, 0.0),
    ) -> str:
        """`timeout`: (seconds, grace)."""
        execution = execution or str(uuid.uuid4())
        data = json.dumps(arguments if isinstance(arguments, dict) else list(arguments)).encode()
        self.send(["submit", execution, fence, 1, task, JSON, data, *timeout, {}])
        return execution

    def run(self, task: str, arguments: Any = (), seconds: float = 20) -> dict[str, Any]:
        execution = self.submit(task, arguments)
        assert self.expect("accepted", execution) == ["accepted", execution, 1]
        return self.result(execution, seconds)

    def result(self, execution: str, seconds: float = 20) -> dict[str, Any]:
        message = self.expect("result", execution, seconds)
        names = ("execution", "fence", "outcome", "content_type", "value", "error", "again", "run")
        fields = dict(zip(names, message[1:], strict=True))
        if fields["content_type"] == JSON:
            fields["decoded"] = json.loads(fields["value"])
        return fields

    def expect(self, kind: str, execution: str | None = None, seconds: float = 10) -> list[Any]:
        """The next message of this kind; others stay in the inbox."""

        def look() -> list[Any] | None:
            self.receive()
            for index, message in enumerate(self.inbox):
                if message[0] == kind and execution in (None, message[1]):
                    return self.inbox.pop(index)
            return None

        try:
            return until(f"`{kind}`", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; there were {[m[:4] for m in self.inbox if m[0] != 'heartbeat']}") from None

    def quiet(self, seconds: float, loose_too: bool = False) -> bool:
        """Whether no numbered frame, or none at all, has come for so long."""
        self.receive()
        return time.monotonic() - (self._came_at if loose_too else self._numbered_at) > seconds

    def wait(self, seconds: float) -> None:
        """Until something comes, and take it."""
        self._socket.poll(int(seconds * 1000))
        self.receive()

    def receive(self) -> None:
        """Take what has come."""
        before = self.received
        self._receive()
        if self.auto_ack and self.received > before and self.epoch:
            self.say()

    def _receive(self) -> None:
        while True:
            try:
                data = self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            frame = msgspec.msgpack.decode(data)
            self.frames.append(frame)
            self.received = max(self.received, frame[2])
            self.acked = max(self.acked, frame[3])
            self._came_at = time.monotonic()
            if frame[2]:
                self._numbered_at = self._came_at
            for message in frame[4]:
                if message[0] == "heartbeat":
                    self.tick = message[1]
                elif message[0] == "welcome" and not message[6]:
                    # Numbers start anew with what follows it.
                    self.epoch = message[3]
                    self.sent = self.received = self.acked = self._consumed = 0
                self.inbox.append(message)


class Sidecar:
    """`python -m rayferry sidecar` with its stdin held open, and what it said."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        cwd: Path = PROJECT,
        stdin: int = subprocess.PIPE,
    ) -> None:
        self.path = folder / "bridge.sock"
        self.endpoint = f"ipc://{self.path}"
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        command = [*self.program(), *self.command_line(arguments)]
        # Not as where the tests run: what is printed has to come without PYTHONUNBUFFERED too.
        ours = {"HOME": str(self.home), "PYTHONPATH": str(PACKAGE), "PYTHONUNBUFFERED": ""}
        base = {**os.environ, **ours, **(env or {})}
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=base,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self.lines: list[str] = []
        self.events: list[dict[str, Any]] = []
        self._readers = [threading.Thread(target=each, daemon=True) for each in (self._read, self._read_events)]
        for reader in self._readers:
            reader.start()

    def program(self) -> list[str]:
        return [sys.executable, "-m", "rayferry"]

    def command_line(self, arguments: tuple[str, ...]) -> list[str]:
        return ["sidecar", "--endpoint", self.endpoint, *arguments]

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_stdin()
        try:
            self.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            for reader in self._readers:
                reader.join(10)
            for stream in (self.process.stdout, self.process.stderr):
                if stream:
                    stream.close()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace").rstrip())

    def _read_events(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def event(self, name: str, seconds: float = 30) -> dict[str, Any]:
        """The next event of this name."""

        def look() -> dict[str, Any] | None:
            found = next((each for each in self.events if each["event"] == name), None)
            if found is not None:
                self.events.remove(found)
            return found

        return until(f"event {name}", look, seconds)

    def command(self, name: str, /, **fields: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"command": name, **fields}).encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(10)

    def end_stdin(self) -> None:
        if self.process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def wait(self, seconds: float) -> int:
        return self.process.wait(seconds)

    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def serving(self, seconds: float = 60) -> Sidecar:
        def look() -> bool:
            if self.process.poll() is not None:
                self._readers[0].join(5)
                raise AssertionError("\n".join(["the sidecar ended:", *self.lines]))
            return any(line["msg"] == "Serving." for line in self.logs())

        try:
            until("the sidecar serves", look, seconds)
        except BaseException:
            self.__exit__()
            raise
        return self

    def fatal(self, seconds: float = 30) -> dict[str, Any]:
        """Its one fatal line, after it ended with status 3."""
        assert self.wait(seconds) == 3, self.lines
        self._readers[0].join(5)
        fatal = [line for line in self.logs() if line["level"] == "fatal"]
        assert len(fatal) == 1, self.lines
        return fatal[0]
