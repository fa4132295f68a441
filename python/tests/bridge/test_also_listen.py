"""A link on ipc that takes clients over tcp too, once they are admitted: over real ZeroMQ."""

import contextlib
import threading
from concurrent.futures import TimeoutError

import pytest
import zmq
from keyring import Pair
from support import until

from rayferry.bridge import admitted, socket
from rayferry.bridge.admitted import AdmittedKeys
from rayferry.bridge.curve import CurveServer
from rayferry.bridge.socket import RouterLink, make_key_pair
from rayferry.endpoint import TcpEndpoint
from rayferry.errors import StartError

HERE = TcpEndpoint("127.0.0.1", 0)


class Echo:
    """A link whose thread sends back what comes."""

    def __init__(self, endpoint):
        self.lines = []
        self.link = RouterLink(endpoint, log=lambda level, msg, **fields: self.lines.append((level, msg, fields)))
        self._going_on = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while self._going_on:
            for peer, frame in self.link.receive(0.05):
                self.link.send(peer, frame)

    def end(self):
        self._going_on = False
        self._thread.join()
        self.link.close()


@pytest.fixture
def echo(tmp_path):
    echo = Echo(f"ipc://{tmp_path}/s")
    yield echo
    echo.end()


@contextlib.contextmanager
def client(endpoint, server_key=None, own=None):
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger, dealer.immediate = 0, 1
    if own is not None:
        dealer.curve_serverkey = server_key.encode()
        dealer.curve_publickey, dealer.curve_secretkey = own.public.encode(), own.secret.encode()
    try:
        dealer.connect(endpoint)
        yield dealer
    finally:
        dealer.close(0)
        context.term()


def said(echo, beginning):
    return next((fields | {"level": level} for level, msg, fields in echo.lines if msg.startswith(beginning)), None)


def talks(dealer, milliseconds=5000):
    if not dealer.poll(milliseconds, zmq.POLLOUT):
        return False
    dealer.send(b"hello")
    return bool(dealer.poll(milliseconds)) and dealer.recv() == b"hello"


def test_both_ways_at_once_and_only_the_admitted_come_by_tcp(echo):
    keys, pair = AdmittedKeys(), make_key_pair()
    one, stranger = Pair("client"), Pair("client")
    with client(echo.link.endpoint) as near:
        assert talks(near)
        endpoint = echo.link.also_listen(HERE, CurveServer(pair, keys, "What to do."))
        assert endpoint.startswith("tcp://127.0.0.1:")
        keys.admit(one.public)
        with client(endpoint, pair.public, one) as far:
            assert talks(far)
            # Neither the connection that stood nor a new one needs a key.
            assert talks(near)
            with client(echo.link.endpoint) as another:
                assert talks(another)
    with client(endpoint, pair.public, stranger) as refused:
        assert not talks(refused, 500)
    with client(endpoint) as keyless:
        assert not talks(keyless, 500)
    unknown = until("its key is in the log", lambda: said(echo, "Refused a client: its key isn't an allowed one. What"))
    assert unknown["client_key"] == stranger.public[:8]
    assert all(secret not in repr(echo.lines) for secret in (pair.secret, one.secret, stranger.secret))


def test_key_that_is_forgotten_is_the_one_unused_for_longest(echo, monkeypatch):
    monkeypatch.setattr(admitted, "MOST_KEYS", 2)
    keys, pair = AdmittedKeys(), make_key_pair()
    endpoint = echo.link.also_listen(HERE, CurveServer(pair, keys))
    first, second, third = (Pair("client") for _ in range(3))
    keys.admit(first.public)
    keys.admit(second.public)
    with client(endpoint, pair.public, first) as used:
        assert talks(used)
    keys.admit(third.public)
    assert [keys.allows(each.public) for each in (first, second, third)] == [True, False, True]


def test_address_that_isnt_ours_is_refused_where_it_was_asked_for_and_another_may_follow(echo):
    keys, pair, one = AdmittedKeys(), make_key_pair(), Pair("client")
    keys.admit(one.public)
    curve = CurveServer(pair, keys)
    with pytest.raises(StartError, match="no address like that"):
        echo.link.also_listen(TcpEndpoint("203.0.113.1", 0), curve)
    with client(echo.link.endpoint) as near:
        assert talks(near)
    with client(echo.link.also_listen(HERE, curve), pair.public, one) as far:
        assert talks(far)


def test_wish_that_came_too_late_isnt_fulfilled_later(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "ALSO_LISTEN_SECONDS", 0.05)
    link = RouterLink(f"ipc://{tmp_path}/s")
    try:
        # Nobody receives: it hangs.
        with pytest.raises(TimeoutError):
            link.also_listen(HERE, CurveServer(make_key_pair(), AdmittedKeys()))
        link.receive(0)
        assert link._socket.getsockopt_string(zmq.LAST_ENDPOINT) == link.endpoint
    finally:
        link.close()
