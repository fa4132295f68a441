"""The way to a server in an actor, where its port answers and where it doesn't: real sockets, no Ray."""

import contextlib
import socket
import threading
import time

import pytest
import zmq

from rayferry import reach
from rayferry.bridge.admitted import AdmittedKeys
from rayferry.bridge.curve import CurveServer
from rayferry.bridge.link import PeerGone
from rayferry.bridge.relay import RelayedLink
from rayferry.bridge.socket import RouterLink, make_key_pair
from rayferry.endpoint import TcpEndpoint
from rayferry.reach import Ways, probe


class Hosted:
    """What an actor offers: a link in a thread that sends back what comes, over tcp and by `exchange`."""

    def __init__(self, folder):
        self.near_endpoint = None
        # Where `admit` says that it listens; a network in between may lead elsewhere.
        self.said_endpoint = None
        self._keys, self._pair = AdmittedKeys(), make_key_pair()
        self._router = RouterLink(f"ipc://{folder}/server")
        self._link = RelayedLink(self._router)
        self._going_on = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.endpoint = self._router.also_listen(TcpEndpoint("127.0.0.1", 0), CurveServer(self._pair, self._keys))

    def admit(self, public_key):
        self._keys.admit(public_key)
        return self.said_endpoint or self.endpoint, self._pair.public

    def exchange(self, peer, frames, seconds):
        return self._link.exchange(peer, frames, seconds)

    def _run(self):
        while self._going_on:
            for peer, frame in self._link.receive(0.05):
                with contextlib.suppress(PeerGone):
                    self._link.send(peer, frame)

    def end(self):
        self._going_on = False
        self._thread.join()
        self._router.close()


@pytest.fixture
def hosted(tmp_path):
    hosted = Hosted(tmp_path)
    yield hosted
    hosted.end()


@pytest.fixture
def log():
    return []


@pytest.fixture
def ways(tmp_path, log):
    ways = Ways(f"ipc://{tmp_path}/sidecar", lambda level, msg, **fields: log.append(f"{level}: {msg} {fields}"))
    yield ways
    ways.remove_files()


@pytest.fixture
def black_hole():
    """An endpoint whose packets are dropped, as a firewall does: a full queue of connections that nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield f"tcp://127.0.0.1:{address[1]}"


@contextlib.contextmanager
def answering(*sent):
    """An endpoint that sends this to whoever connects, and then waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    for each in sent:
                        connection.sendall(each)
                    connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def talks(way):
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    if way.curve is not None:
        dealer.curve_serverkey = way.curve["serverKey"].encode()
        dealer.curve_publickey = way.curve["publicKey"].encode()
        dealer.curve_secretkey = way.curve["secretKey"].encode()
    dealer.connect(way.endpoint)
    try:
        dealer.send(b"hello")
        return bool(dealer.poll(5000)) and dealer.recv() == b"hello"
    finally:
        dealer.close(0)
        context.term()


def test_server_on_this_node_is_reached_by_its_own_socket(hosted, ways):
    hosted.near_endpoint = "ipc:///near"
    assert (ways.to(hosted).endpoint, ways.to(hosted).curve) == ("ipc:///near", None)


def test_server_elsewhere_is_reached_straight_with_a_key_for_each_way(hosted, ways, log):
    one, two = ways.to(hosted), ways.to(hosted)
    assert one.endpoint == two.endpoint == hosted.endpoint
    assert one.curve["serverKey"] == two.curve["serverKey"]
    assert one.curve["publicKey"] != two.curve["publicKey"]
    assert talks(one)
    assert talks(two)
    assert log == []


def test_behind_a_firewall_the_actors_handle_is_the_way_and_the_log_says_what_to_open(hosted, ways, log, black_hole):
    hosted.said_endpoint = black_hole
    began = time.monotonic()
    way = ways.to(hosted)
    assert reach.PROBE_SECONDS <= time.monotonic() - began < reach.PROBE_SECONDS + 2
    assert (way.endpoint.startswith("ipc://"), way.curve) == (True, None)
    assert talks(way)
    address = black_hole.removeprefix("tcp://")
    assert log[0].startswith(
        f"warn: The server at {address} can't be reached over tcp from this node (no answer within"
    )
    assert f"Open tcp to {address} from here" in log[0]
    # The next server there isn't waited for as long, and has a socket of its own.
    began = time.monotonic()
    again = ways.to(hosted)
    assert time.monotonic() - began < reach.PROBE_SECONDS
    assert again.endpoint != way.endpoint
    assert talks(again)


def test_actor_of_an_older_version_is_reached_by_its_handle(hosted, ways, log):
    class Older:
        near_endpoint = None
        exchange = hosted.exchange

    assert talks(ways.to(Older()))
    assert "A server opens no port for this node" in log[0]


def test_what_answers_at_a_port(black_hole):
    assert probe(black_hole, 0.2) == "no answer within 0.2 s"
    with answering() as silent:
        assert probe(silent, 0.2) == "no answer within 0.2 s"
    with answering(b"HTTP/1.1 400 Bad Request") as foreign:
        assert probe(foreign) == "what answers there isn't ZeroMQ"
    with answering() as over:
        pass
    assert probe(over) == "Connection refused"


def test_server_isnt_bothered_by_being_probed(tmp_path):
    said = []
    link = RouterLink("tcp://127.0.0.1:0", log=lambda *line, **_: said.append(line))
    for _ in range(3):
        assert probe(link.endpoint) is None
    for _ in range(5):
        assert link.receive(0.05) == []
    assert said == []
    link.close()
