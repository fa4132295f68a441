"""The two ends of the task link as ZeroMQ sockets. Beside bridge/socket.py the only file that imports zmq.

Each belongs to one thread, which calls `receive`, `send` and `close`. Others wake it through a socketpair.
"""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import zmq
from zmq.utils import z85

from rayferry.tasklink.messages import MAX_FRAME, LinkAddress

# So that a flood of frames can't starve everything else that the thread does.
_MAX_FRAMES_AT_ONCE = 1000
_ZAP_ADDRESS = "inproc://zeromq.zap.01"
_ZAP_DOMAIN = b"rayferry"


class _Waker:
    """Read the pipe, then clear the flag, then the owner drains its queue: any other order can leave something in the
    queue with no wake-up for it."""

    def __init__(self) -> None:
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)
        # Plain, not an Event: whose lines are no lines of ours, so that an interrupt could tear them (see Member).
        self._woken = False

    def wake(self) -> None:
        # The flag saves a system call for each of many things that come together.
        if not self._woken:
            self._woken = True
            try:
                self._out.send(b"!")
            except OSError:
                # Full: it is awake already. Closed: nobody is left to wake.
                return

    def fileno(self) -> int:
        return self._in.fileno()

    def drain(self) -> None:
        try:
            while os.read(self._in.fileno(), 4096):
                pass
        except BlockingIOError:
            pass
        self._woken = False

    def close(self) -> None:
        self._in.close()
        self._out.close()


def _milliseconds(seconds: float | None) -> int | None:
    # Rounded up: rounded down, the last millisecond before a timer would be polled away.
    return None if seconds is None else max(0, int(seconds * 1000) + 1)


class HubSocket:
    """A ROUTER, bound to an ipc path, to a free tcp port with CURVE, or to both."""

    def __init__(self, ipc: Path | None, tcp_host: str | None, node_id: str | None) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.LINGER, 0),
            # Without it a frame to a process that is gone vanishes without a word.
            (zmq.ROUTER_MANDATORY, 1),
            # A process that reconnects gets its routing id back, though the old connection isn't noticed dead yet.
            (zmq.ROUTER_HANDOVER, 1),
            (zmq.MAXMSGSIZE, MAX_FRAME),
        ):
            self._socket.setsockopt(option, value)
        server_key, server_secret = zmq.curve_keypair()
        public_key, secret_key = zmq.curve_keypair()
        self._admitted = z85.decode(public_key)
        self._zap = self._context.socket(zmq.REP)
        self._zap.setsockopt(zmq.LINGER, 0)
        self._zap.bind(_ZAP_ADDRESS)
        self._ipc = ipc
        if ipc is not None:
            self._socket.bind(f"ipc://{ipc}")
        tcp = None
        if tcp_host is not None:
            # What is set here counts for binds that follow: ipc has its folder's mode instead.
            self._socket.setsockopt(zmq.CURVE_SERVER, 1)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, server_secret)
            # Without a domain and a handler for it, CURVE admits whoever knows the server's public key.
            self._socket.setsockopt(zmq.ZAP_DOMAIN, _ZAP_DOMAIN)
            host = f"[{tcp_host}]" if ":" in tcp_host else tcp_host
            self._socket.setsockopt(zmq.IPV6, int(":" in tcp_host))
            tcp = f"tcp://{host}:{self._socket.bind_to_random_port(f'tcp://{host}')}"
        self.address = LinkAddress(
            hub=uuid.uuid4().hex,
            node_id=node_id,
            ipc=str(ipc) if ipc else None,
            tcp=tcp,
            server_key=server_key,
            public_key=public_key,
            secret_key=secret_key,
        )
        self._waker = _Waker()
        self._poller = zmq.Poller()
        for pollable in (self._socket, self._zap, self._waker.fileno()):
            self._poller.register(pollable, zmq.POLLIN)

    def receive(self, seconds: float | None) -> list[tuple[bytes, bytes]]:
        """Wait for frames or a wake-up, then take what there is: (routing id, frame)."""
        self._poller.poll(_milliseconds(seconds))
        self._waker.drain()
        self._admit()
        frames: list[tuple[bytes, bytes]] = []
        for _ in range(_MAX_FRAMES_AT_ONCE):
            try:
                parts = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            # A frame in several parts isn't ours; an empty one is refused by whoever opens it.
            frames.append((parts[0], parts[1] if len(parts) == 2 else b""))
        return frames

    def send(self, peer: bytes, frame: bytes) -> bool:
        """False: it is gone, or takes nothing any more. Doesn't block."""
        try:
            self._socket.send_multipart([peer, frame], zmq.DONTWAIT)
        except zmq.ZMQError:
            return False
        return True

    def wake(self) -> None:
        """From any thread."""
        self._waker.wake()

    def close(self) -> None:
        self._socket.close(0)
        self._zap.close(0)
        self._context.term()
        self._waker.close()
        if self._ipc is not None:
            # ZeroMQ leaves the file behind.
            self._ipc.unlink(missing_ok=True)

    def _admit(self) -> None:
        """Answer ZeroMQ's question for each tcp peer: only the key pair made for this hub may come in."""
        while True:
            try:
                request = self._zap.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            good = len(request) == 7 and request[5] == b"CURVE" and request[6] == self._admitted
            status, text = (b"200", b"") if good else (b"400", b"unknown key")
            self._zap.send_multipart([request[0], request[1], status, text, b"", b""])


class ProcessSocket:
    """A DEALER, connected to a hub."""

    def __init__(self, address: LinkAddress, node_id: str | None) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        # The same after a reconnect: what the hub knows of this process goes on. As text: ZeroMQ refuses ids that begin
        # with a zero byte, which one in 256 random ones does.
        self._socket.setsockopt(zmq.ROUTING_ID, uuid.uuid4().hex.encode())
        near = address.ipc is not None and (address.tcp is None or node_id == address.node_id)
        if near:
            self._socket.connect(f"ipc://{address.ipc}")
        else:
            # Finds a connection that a network dropped in silence. Not on ipc: there it would only cut off, and lose
            # what is under way to, a server that is stopped for a while.
            self._socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
            self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
            self._socket.setsockopt(zmq.CURVE_SERVERKEY, address.server_key)
            self._socket.setsockopt(zmq.CURVE_PUBLICKEY, address.public_key)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, address.secret_key)
            self._socket.setsockopt(zmq.IPV6, int("[" in (address.tcp or "")))
            self._socket.connect(str(address.tcp))
        self._waker = _Waker()
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._waker.fileno(), zmq.POLLIN)

    def receive(self, seconds: float | None) -> list[bytes]:
        """Wait for frames or a wake-up, then take what there is."""
        self._poller.poll(_milliseconds(seconds))
        self._waker.drain()
        frames: list[bytes] = []
        for _ in range(_MAX_FRAMES_AT_ONCE):
            try:
                parts = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            frames.append(parts[0] if len(parts) == 1 else b"")
        return frames

    def send(self, frame: bytes) -> bool:
        """False: it takes nothing now. Doesn't block."""
        try:
            self._socket.send(frame, zmq.DONTWAIT)
        except zmq.ZMQError:
            return False
        return True

    def wake(self) -> None:
        """From any thread."""
        self._waker.wake()

    def close(self, linger_seconds: float = 0.0) -> None:
        """`linger_seconds`: how long what was sent may still take to leave."""
        self._socket.close(int(linger_seconds * 1000))
        self._context.term()
        self._waker.close()
