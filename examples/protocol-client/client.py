"""The least that a client of the bridge protocol has to do, written from bridge/PROTOCOL.md alone.

    python client.py ipc:///path/of/the/server TASK '{"name": "Ada"}'

Runs one attempt and prints a line of JSON for each thing that becomes of it. It needs pyzmq and msgspec, and nothing
of rayferry. Cut the connection while it runs: it says hello again, resumes its session, and loses nothing.
"""

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import zmq
from zmq.utils.monitor import recv_monitor_message

PROTOCOL = 1
SILENCE = 10.0


class Lost(Exception):
    """The server was silent, broke the protocol, or forgot the session."""


class Client:
    def __init__(self, address: str) -> None:
        self.incarnation = str(uuid.uuid4())
        self.hellos = 0
        self.greeted = False  # false from a hello to its answer, and while no connection stands
        self.epoch, self.session = None, None
        self.sent = self.received = 0
        self.kept: dict[int, list[Any]] = {}  # numbered frames that the server hasn't acknowledged
        self.heard = self.beaten = time.monotonic()
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.ROUTING_ID, self.incarnation.encode())
        options = {zmq.IMMEDIATE: 1, zmq.LINGER: 0, zmq.HEARTBEAT_IVL: 1_000, zmq.HEARTBEAT_TIMEOUT: 3_000}
        for option, value in options.items():
            self.socket.setsockopt(option, value)
        events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        self.connections: zmq.Socket[bytes] = self.socket.get_monitor_socket(events)
        self.socket.connect(address)

    def say(self, *messages: list[Any]) -> None:
        """Sends messages in a numbered frame, which is kept and sent again until the server has it."""
        self.sent += 1
        self.kept[self.sent] = [*messages]
        if self.greeted:
            self.transmit(self.sent, self.kept[self.sent])

    def messages(self) -> Iterator[list[Any]]:
        """What the server says, from whichever connection, each numbered message once."""
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.register(self.connections, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(250))
            if self.connections in ready:
                self.greeted = False
                if recv_monitor_message(self.connections)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    self.hello()
            if self.socket in ready:
                yield from self.take(*msgspec.msgpack.decode(self.socket.recv()))
            if time.monotonic() - self.heard > SILENCE:
                raise Lost(f"heard nothing for {SILENCE:.0f} s")
            if self.greeted and time.monotonic() - self.beaten > 1:
                self.beaten = time.monotonic()
                self.transmit(0, [["heartbeat", 1]])

    def hello(self) -> None:
        self.hellos += 1
        self.greeted = False
        resume = [self.session, self.received] if self.session else None
        hello = [PROTOCOL, PROTOCOL, "0.0.0", "example", self.incarnation, self.hellos, "submit", []]
        self.transmit(0, [["hello", *hello, resume, None, {"messages": 999, "bytes": 99_999}, []]])

    def transmit(self, seq: int, messages: list[Any]) -> None:
        frame = msgspec.msgpack.encode([PROTOCOL, self.epoch, seq, self.received, messages])
        # Again: the connection is gone. What has a number goes out after the next hello.
        with contextlib.suppress(zmq.Again):
            self.socket.send(frame, zmq.DONTWAIT)

    def take(self, _protocol: int, epoch: str, seq: int, ack: int, messages: list[Any]) -> Iterator[list[Any]]:
        """The messages of a frame that counts."""
        self.heard = time.monotonic()
        if not self.greeted:
            self.answered(messages)
            return
        if epoch != self.epoch or ack > self.sent:
            raise Lost("the server is another one, or acknowledges what was never sent")
        self.acknowledged(ack)
        if seq > self.received + 1:
            self.hello()
        elif seq == 0 or seq == self.received + 1:
            self.received = max(seq, self.received)
            for kind, *fields in messages:
                if kind == "gap":
                    self.hello()
                elif kind == "fault":
                    raise Lost(f"{fields}")
                elif kind == "heartbeat":
                    # Without a lease to renew, what a worker says after the renewal can be said at once.
                    self.transmit(0, [["authority", fields[0]]])
                yield [kind, *fields]

    def answered(self, messages: list[Any]) -> None:
        match messages:
            case [["refused", self.hellos, code, message]]:
                raise Lost(f"{code}: {message}")
            case [["welcome", _, _, epoch, self.hellos, session, resumed, received, *_]]:
                if self.session and not resumed:
                    raise Lost("the server has forgotten the session")
                self.epoch, self.session, self.greeted = epoch, session, True
                self.acknowledged(received)
                for kept in self.kept.items():
                    self.transmit(*kept)

    def close(self) -> None:
        # By now all else is acknowledged; nothing answers a close.
        self.say(["close", "done", False])
        self.connections.close()
        self.socket.close(linger=1_000)

    def acknowledged(self, ack: int) -> None:
        self.kept = {seq: messages for seq, messages in self.kept.items() if seq > ack}


def main(address: str, task: str, arguments: str) -> int:
    client = Client(address)
    attempt = [str(uuid.uuid4()), 1]
    client.say(["submit", *attempt, 1, task, "application/json", arguments.encode(), None, 0.0, {}])
    end = None
    for kind, *fields in client.messages():
        if fields[:2] == attempt:
            print(json.dumps([kind, *fields], default=bytes.decode), flush=True)
        if kind in ("rejected", "result") and end is None:
            end = fields[2]
            client.say(["recorded", [attempt]])
        if end is not None and not client.kept:
            break
    client.close()
    return 0 if end == "SUCCEEDED" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else "usage: client.py ADDRESS TASK ARGUMENTS-AS-JSON")
