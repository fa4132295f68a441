"""The real server on a stage: a scripted runner, a clock that stands still, and peers that say what they are told."""

from __future__ import annotations

from typing import Any

import msgspec

from model.network import Connection, Network
from model.runner import Scripted, ScriptedRunner
from rayferry.log import no_log
from rayferry.server import Server
from rayferry.server.server import End

CREDIT = {"messages": 10_000, "bytes": 16 << 20}


class Stage:
    def __init__(self) -> None:
        self.now = 100.0
        self.network = Network()
        self.runner = ScriptedRunner()
        self.server = Server(self.runner, build="0", log=no_log, clock=lambda: self.now)
        self.server.start()
        self.server.attach(self.network)

    def turn(self) -> End | None:
        return self.server.turn(self.network)

    def attempt(self, execution: str, fence: int = 1) -> Scripted:
        """One that runs."""
        (found,) = (each for each in self.runner.live if each.key == (execution, fence))
        return found


class Peer:
    def __init__(self, stage: Stage, incarnation: str = "one") -> None:
        self.stage = stage
        self.incarnation = incarnation
        self.connection: Connection = stage.network.connect(incarnation.encode())
        self.epoch: str | None = None
        self.hellos = self.sent = self.received = 0

    def greet(self, **fields: Any) -> list[Any]:
        """Hello, and what comes first."""
        self.hellos += 1
        given = {"role": "submit", "replaces": [], "resume": None, "database": None, "credit": CREDIT}
        head = {key: fields.pop(key) for key in ("epoch", "seq") if key in fields}
        message = ["hello", 1, 1, "0", "peer", self.incarnation, self.hellos, *(given | fields).values(), []]
        frames = self.answers(message, **{"seq": 0} | head)
        first: list[Any] = frames[0][4][0]
        if first[0] == "welcome":
            self.epoch = first[3]
            if not first[6]:
                self.sent = 0
                self.received = max(frame[2] for frame in frames)
        return first

    def answers(self, *messages: list[Any], **head: Any) -> list[list[Any]]:
        """The frames that come back for one frame, in the same turn."""
        if "seq" not in head:
            self.sent += 1
        frame = {"protocol": 1, "epoch": self.epoch, "seq": self.sent, "ack": self.received} | head
        return self.raw(msgspec.msgpack.encode([*frame.values(), list(messages)]))

    def say(self, *messages: list[Any], **head: Any) -> list[list[Any]]:
        """The messages that come back."""
        return [message for frame in self.answers(*messages, **head) for message in frame[4]]

    def raw(self, data: bytes) -> list[list[Any]]:
        self.stage.network.arrive(self.connection.peer, data)
        self.stage.turn()
        return self.take()

    def take(self) -> list[list[Any]]:
        frames = [msgspec.msgpack.decode(frame) for frame in self.connection.down]
        self.connection.down.clear()
        self.received = max([self.received, *(frame[2] for frame in frames)])
        return frames

    def submit(
        self, execution: str, fence: int = 1, timeout: tuple[float | None, float] = (None, 0.0)
    ) -> list[list[Any]]:
        return self.say(["submit", execution, fence, 1, "run", "application/json", b"{}", *timeout, {}])
