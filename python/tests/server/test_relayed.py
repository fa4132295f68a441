"""A server whose worker is reached through a relay: what that loses, the connection of neither side tells of."""

import sys
import threading
from pathlib import Path

import pytest
from support import Worker, until

from rayferry.bridge import relay
from rayferry.bridge.relay import Relay, RelayedLink
from rayferry.bridge.socket import RouterLink
from rayferry.log import no_log
from rayferry.server import Server
from rayferry.sync_runner import SyncRunner


class Relayed:
    """A server, and a relay to it that a test can hold up."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(SyncRunner(["sample_tasks"], 1000), build="0.1.0", log=no_log)
        self.server.start()
        self.near = RouterLink(f"ipc://{folder}/s.sock")
        self.link = RelayedLink(self.near)
        self.thread = threading.Thread(target=self.server.run, args=(self.link,))
        self.thread.start()
        self.flowing = threading.Event()
        self.flowing.set()
        self.endpoint = f"ipc://{folder}/relay.sock"
        self.relay = Relay(RouterLink(self.endpoint), self.exchange, no_log)

    def exchange(self, peer: bytes, frames: list[bytes], seconds: float) -> list[bytes]:
        self.flowing.wait()
        return self.link.exchange(peer, frames, seconds)

    def close(self) -> None:
        self.flowing.set()
        self.server.stop()
        self.thread.join(10)
        self.near.close()
        self.server.shut_down()


@pytest.fixture
def relayed(tmp_path, monkeypatch):
    monkeypatch.setattr(relay, "GONE_SECONDS", 0.3)
    made = Relayed(tmp_path)
    yield made
    made.close()


def test_what_a_relay_was_too_slow_for_is_sent_again(relayed, marks):
    with Worker(relayed.endpoint) as worker:
        welcome = worker.greet()
        execution = worker.submit("hold", list(marks))
        until("it runs", Path(marks[0]).exists)
        relayed.flowing.clear()
        Path(marks[1]).touch()
        until("its worker can't be reached", lambda: not relayed.server.sessions[0].attached, 5)
        relayed.flowing.set()
        worker.say(["heartbeat", 1])
        worker.expect("gap", seconds=3)
        assert worker.greet(resume=[welcome.session, worker.received]).resumed
        assert worker.result(execution, 3)["outcome"] == "SUCCEEDED"


def test_a_relay_ends_with_its_last_worker_and_leaves_no_socket(relayed, monkeypatch):
    with Worker(relayed.endpoint) as worker:
        worker.greet()
        worker.send(["close", "done", False])
        until("the session is over", lambda: not relayed.server.sessions, 5)
        assert Path(relayed.endpoint.removeprefix("ipc://")).exists()
        monkeypatch.setattr(relay, "UNUSED_SECONDS", 0.3)
        until("its socket is gone", lambda: not Path(relayed.endpoint.removeprefix("ipc://")).exists(), 5)


class Quiet:
    """A link over which nothing comes."""

    def receive(self, timeout_seconds):
        return []

    def send(self, peer, frame):
        raise AssertionError("nobody is connected")

    def wake(self):
        return


def test_a_server_forgets_what_waits_for_a_worker_that_nobody_relays_for_any_more(monkeypatch):
    link = RelayedLink(Quiet())
    assert link.exchange(b"worker", [], 0) == []
    frame = bytes(1000)
    alone = sys.getrefcount(frame)
    link.send(b"rworker", frame)
    assert sys.getrefcount(frame) == alone + 1
    monkeypatch.setattr(relay, "GONE_SECONDS", 0.05)
    until("the frame is let go", lambda: link.receive(0) or sys.getrefcount(frame) == alone, 5)
