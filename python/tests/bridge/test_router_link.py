"""The server's socket, over real ZeroMQ."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zmq
from keyring import Pair
from support import until
from zmq.utils.monitor import recv_monitor_message

from rayferry.bridge import gate
from rayferry.bridge import socket as link_module
from rayferry.bridge.curve import CurveServer
from rayferry.bridge.ipc import IpcClaim
from rayferry.bridge.link import PeerGone
from rayferry.bridge.socket import RouterLink
from rayferry.endpoint import check_free
from rayferry.errors import StartError

LOCAL = "tcp://127.0.0.1:0"
# A refusal comes within a second; asserted at three times that.
PROMPT = 3


class Log(list):
    def __call__(self, level, msg, /, **fields):
        self.append({"level": level, "msg": msg, **fields})

    def starting(self, beginning):
        return [line for line in self if line["msg"].startswith(beginning)]


class Client:
    """A raw DEALER, and what its monitor says."""

    def __init__(self, endpoint, server=None, own=None, name=b"client", reconnect_ms=50):
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.identity = name
        self.socket.immediate = 1
        self.socket.reconnect_ivl = reconnect_ms
        if own is not None:
            self.socket.curve_serverkey = server.public.encode()
            self.socket.curve_publickey = own.public.encode()
            self.socket.curve_secretkey = own.secret.encode()
        self._monitor = self.socket.get_monitor_socket()
        self.socket.connect(endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close(0)
        self._context.term()

    def events(self):
        found = []
        while self._monitor.poll(0):
            found.append(recv_monitor_message(self._monitor)["event"])
        return found


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def links():
    opened = []
    yield opened
    for each in opened:
        each.close()


@pytest.fixture
def keys(tmp_path):
    server, one, two = Pair("server").save(tmp_path), Pair("client", "one").save(tmp_path), Pair("client", "two")
    return server, one, two.save(tmp_path)


def open_link(links, *arguments, **options):
    link = RouterLink(*arguments, **options)
    links.append(link)
    return link


def exchange(link, client, frame=b"hello"):
    """A frame to the link and back."""
    # The link answers for keys in `receive`, so that has to go on while the client connects.
    received = until("the connection stands", lambda: link.receive(0.01) or client.socket.poll(0, zmq.POLLOUT))
    assert not isinstance(received, list)
    client.socket.send(frame)
    received = until("the frame comes", lambda: link.receive(0.05))
    assert received == [(client.socket.identity, frame)]
    link.send(*received[0])
    assert client.socket.poll(5000)
    assert client.socket.recv() == frame


def refused(link, log, client, beginning, seconds=PROMPT):
    """Serve until the log says so; nothing may have come in."""
    frames = []

    def look():
        frames.extend(link.receive(0.01))
        return log.starting(beginning)

    found = until(beginning, look, seconds)
    assert frames == []
    assert zmq.EVENT_HANDSHAKE_SUCCEEDED not in client.events()
    return found[0]


def test_frames_over_ipc_and_over_tcp_on_a_free_port(tmp_path, links):
    for endpoint in (f"ipc://{tmp_path}/s", LOCAL, "tcp://127.0.0.1:*", "tcp://localhost:0"):
        link = open_link(links, endpoint)
        assert link.endpoint == endpoint if endpoint.startswith("ipc") else not link.endpoint.endswith((":0", ":*"))
        with Client(link.endpoint) as client:
            exchange(link, client)


def test_a_message_in_two_parts_is_an_empty_frame(links):
    link = open_link(links, LOCAL)
    with Client(link.endpoint) as client:
        client.socket.send_multipart([b"a", b"b"])
        assert until("it comes", lambda: link.receive(0.05)) == [(b"client", b"")]


def test_sending_to_nobody_says_so(links):
    with pytest.raises(PeerGone):
        open_link(links, LOCAL).send(b"nobody", b"x")


def test_a_client_that_comes_back_under_its_name_gets_it(links):
    link = open_link(links, LOCAL)
    with Client(link.endpoint, reconnect_ms=-1) as first:
        exchange(link, first)
        with Client(link.endpoint) as second:
            exchange(link, second)


def test_wake_ends_the_wait_from_another_thread(links, monkeypatch):
    monkeypatch.setattr(link_module, "MAX_POLL_SECONDS", 30.0)
    link = open_link(links, LOCAL)
    for _ in range(3):
        threading.Thread(target=link.wake).start()
        began = time.monotonic()
        assert link.receive(30) == []
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "endpoint", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0", "tcp://10.1.2.3:0", "tcp://host:1"]
)
def test_plain_tcp_beyond_loopback_is_refused_by_name(endpoint, links):
    with pytest.raises(StartError, match="--plain-tcp") as caught:
        open_link(links, endpoint)
    assert caught.value.code == "PLAIN_TCP"


def test_plain_tcp_beyond_loopback_works_when_asked_for(links):
    link = open_link(links, "tcp://0.0.0.0:0", allow_plain=True)
    with Client(link.endpoint.replace("0.0.0.0", "127.0.0.1")) as client:
        exchange(link, client)


def test_curve_beyond_loopback_needs_no_leave(links, keys, log):
    server, one, _ = keys
    link = open_link(links, "tcp://0.0.0.0:0", CurveServer.from_files(server.key, [one.pub], log))
    with Client(link.endpoint.replace("0.0.0.0", "127.0.0.1"), server, one) as client:
        exchange(link, client)


def test_addresses_that_cannot_be_bound(links):
    taken = open_link(links, LOCAL)
    for endpoint, code, says in (
        (taken.endpoint, "ENDPOINT_IN_USE", "Another process listens"),
        ("tcp://192.0.2.1:0", "BAD_ENDPOINT", "no address like that"),
        ("tcp://no.such.host.invalid:0", "BAD_ENDPOINT", "no address like that"),
        ("tcp://127.0.0.1:65536", "BAD_ENDPOINT", "65535"),
        ("tcp://127.0.0.1", "BAD_ENDPOINT", "tcp://HOST:PORT"),
        ("udp://127.0.0.1:1", "BAD_ENDPOINT", "ipc://"),
    ):
        with pytest.raises(StartError, match=says) as caught:
            open_link(links, endpoint, allow_plain=True)
        assert caught.value.code == code


# ipc: the folder, stale files, second binders.


def test_a_folder_that_others_may_enter_is_refused(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o750)
    with pytest.raises(StartError, match=f"chmod 700 {folder}") as caught:
        RouterLink(f"ipc://{folder}/s")
    assert caught.value.code == "FOLDER_OPEN"
    folder.chmod(0o700)
    RouterLink(f"ipc://{folder}/s").close()
    assert list(folder.iterdir()) == []


def test_a_link_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StartError, match="isn't a folder"):
        RouterLink(f"ipc://{tmp_path}/link/s")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of somebody else's")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 65534, 65534)
    with pytest.raises(StartError, match="belongs to user 65534"):
        RouterLink(f"ipc://{tmp_path}/theirs/s")


def test_what_a_killed_server_left_is_taken_over(tmp_path, links):
    code = f"""
import time
from rayferry.bridge.socket import RouterLink
link = RouterLink("ipc://{tmp_path}/s")
print("bound", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"bound\n"
        with pytest.raises(StartError) as caught:
            RouterLink(f"ipc://{tmp_path}/s")
        assert caught.value.code == "ENDPOINT_IN_USE"
        holder.send_signal(signal.SIGKILL)
    assert {each.name for each in tmp_path.iterdir()} == {"s", "s.lock"}
    link = open_link(links, f"ipc://{tmp_path}/s")
    with Client(link.endpoint) as client:
        exchange(link, client)


def test_a_second_server_in_the_same_process_is_refused_and_the_first_goes_on(tmp_path, links):
    link = open_link(links, f"ipc://{tmp_path}/s")
    for _ in range(2):
        with pytest.raises(StartError, match="Another process serves"):
            RouterLink(link.endpoint)
        with pytest.raises(StartError):
            check_free(f"ipc://{tmp_path}/s")
    with Client(link.endpoint) as client:
        exchange(link, client)


def test_a_live_binder_that_knows_nothing_of_the_lock_is_left_alone(tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        with pytest.raises(StartError, match="Another process serves"):
            RouterLink(f"ipc://{tmp_path}/s")
        assert [each.name for each in tmp_path.iterdir()] == ["s"]


def test_a_binder_between_check_and_bind_is_found_after_the_bind(tmp_path):
    claim = IpcClaim(tmp_path / "s")
    code = f"import socket; s = socket.socket(socket.AF_UNIX); s.bind('{tmp_path}/s'); s.listen(); print(1, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as thief:
        assert thief.stdout.readline()
        with pytest.raises(StartError, match=f"process {thief.pid} took it"):
            claim.verify()
        assert [each.name for each in tmp_path.iterdir()] == ["s"]
        thief.stdin.close()


def test_a_socket_that_was_taken_later_is_not_removed_at_the_end(tmp_path):
    link = RouterLink(f"ipc://{tmp_path}/s")
    with socket.socket(socket.AF_UNIX) as thief:
        # Beside it first, so that its inode can't be the one just freed.
        thief.bind(str(tmp_path / "t"))
        (tmp_path / "t").rename(tmp_path / "s")
        link.close()
        assert [each.name for each in tmp_path.iterdir()] == ["s"]


# CURVE: who comes in.


def test_two_listed_keys_come_in(links, keys, log):
    server, one, two = keys
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [one.pub, two.pub], log), log=log)
    for own in (one, two):
        with Client(link.endpoint, server, own, own.name.encode()) as client:
            exchange(link, client)
    assert log == []


def test_unknown_key_is_refused_within_a_second_and_named(links, keys, log):
    server, one, stranger = keys
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [one.pub], log), log=log)
    with Client(link.endpoint, server, stranger) as client:
        line = refused(link, log, client, "Refused a client: its key isn't an allowed one.")
    assert line["level"] == "warn"
    assert line["client_key"] == stranger.public[:8]
    assert line["address"] == "127.0.0.1"


def test_wrong_server_key_is_refused_within_a_second(links, keys, log):
    server, one, _ = keys
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [one.pub], log), log=log)
    with Client(link.endpoint, Pair("server"), one) as client:
        line = refused(link, log, client, "Refused a client that has another server's public key")
    assert line["public_key"] == server.public


def knock(endpoint, mechanism):
    """A client's whole greeting; what it then reads."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(b"\xff" + b"\0" * 7 + b"\x01\x7f\x03\x01" + mechanism.ljust(20, b"\0") + b"\0" * 32)
        raw.settimeout(0.05)
        yield
        raw.settimeout(PROMPT)
        while raw.recv(1024):
            pass


@pytest.mark.parametrize(
    ("curve", "mechanism", "says"),
    [(True, b"NULL", "Refused a client without a key"), (False, b"CURVE", "Refused a client that expects CURVE")],
)
def test_a_key_on_one_side_alone_is_refused_within_a_second(links, keys, log, curve, mechanism, says):
    server, one, _ = keys
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [one.pub], log) if curve else None, log=log)
    for _ in knock(link.endpoint, mechanism):
        until(says, lambda: link.receive(0.01) or log.starting(says), PROMPT)


def test_rotation_without_a_restart(links, keys, log, tmp_path):
    server, old, _ = keys
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    old.pub.rename(allowed / "old.pub")
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [allowed], log), log=log)
    new = Pair("client", "new").save(allowed)
    for own in (old, new):
        with Client(link.endpoint, server, own, own.name.encode()) as client:
            exchange(link, client)
    (allowed / "old.pub").unlink()
    with Client(link.endpoint, server, old) as client:
        assert refused(link, log, client, "Refused a client")["client_key"] == old.public[:8]
    with Client(link.endpoint, server, new) as client:
        exchange(link, client)


def test_a_file_that_was_broken_lets_nobody_in_until_it_is_mended(links, keys, log):
    server, one, _ = keys
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [one.pub], log), log=log)
    whole = one.pub.read_text()
    one.pub.write_text("{")
    with Client(link.endpoint, server, one) as client:
        refused(link, log, client, "Refused a client")
    assert log.starting(f"{one.pub} isn't a key file of rayferry")
    one.pub.write_text(whole)
    with Client(link.endpoint, server, one) as client:
        exchange(link, client)


def test_an_error_in_the_look_up_lets_nobody_in_and_does_not_end_the_gate(links, keys, log):
    server, one, _ = keys

    class Failing:
        fails = True

        def allows(self, key):
            if self.fails:
                raise RuntimeError("disk gone")
            return key == one.public

    clients = Failing()
    link = open_link(
        links, LOCAL, CurveServer(CurveServer.from_files(server.key, [one.pub], log).pair, clients), log=log
    )
    with Client(link.endpoint, server, one) as client:
        refused(link, log, client, "Refused a client")
    assert log.starting("The allowed keys can't be read: RuntimeError: disk gone")
    clients.fails = False
    with Client(link.endpoint, server, one) as client:
        exchange(link, client)


def test_a_flood_of_strangers_fills_no_log(links, keys, log, monkeypatch):
    server, one, stranger = keys
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [one.pub], log), log=log)
    asked = []
    real = gate.Gate._allows
    monkeypatch.setattr(gate.Gate, "_allows", lambda self, key: asked.append(key) or real(self, key))
    monkeypatch.setattr(gate, "LOG_SECONDS", 3600.0)
    for count in range(1, 21):
        with Client(link.endpoint, server, stranger):
            until("it is asked about", lambda want=count: link.receive(0.01) or len(asked) >= want)
    assert len(log) == gate.LOG_LINES
    monkeypatch.setattr(gate, "LOG_SECONDS", 0.0)
    with Client(link.endpoint, server, stranger):
        until("the next window's line", lambda: link.receive(0.01) or len(log) > gate.LOG_LINES)
    assert log[-1]["not_logged_before"] == 20 - gate.LOG_LINES


# What a hostile peer may cost.


def rss_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def test_a_message_over_the_limit_cuts_its_connection_and_is_not_received(links, monkeypatch):
    monkeypatch.setattr(link_module, "MAX_MESSAGE_BYTES", 1_000_000)
    link = open_link(links, LOCAL)
    with Client(link.endpoint) as hostile, Client(link.endpoint, name=b"other") as other:
        exchange(link, hostile, b"x" * 1_000_000)
        hostile.socket.send(b"x" * 1_000_001)
        until("it is cut off", lambda: link.receive(0.01) or zmq.EVENT_DISCONNECTED in hostile.events())
        exchange(link, other)


def test_a_huge_claim_allocates_nothing_and_silence_is_cut_off(links, keys, log, monkeypatch):
    """100 strangers that say they send 60 MiB, and then don't."""
    monkeypatch.setattr(link_module, "HANDSHAKE_MILLISECONDS", 500)
    server, one, _ = keys
    link = open_link(links, LOCAL, CurveServer.from_files(server.key, [one.pub], log), log=log)
    before = rss_mib()
    host, port = link.endpoint.removeprefix("tcp://").split(":")
    claims = [socket.create_connection((host, int(port))) for _ in range(100)]
    for each in claims:
        each.sendall(b"\xff" + b"\0" * 7 + b"\x01\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\0" * 32)
        each.sendall(b"\x06" + (60 << 20).to_bytes(8, "big"))
    for each in claims:
        each.settimeout(PROMPT)
        while each.recv(1024):
            pass
        each.close()
    assert rss_mib() - before < 60
