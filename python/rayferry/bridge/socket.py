"""The server's ZeroMQ socket. Only this file and gate.py import zmq.

A ZeroMQ socket belongs to one thread, the one that calls `receive` and `send`. Others wake it through a socketpair.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections import deque
from concurrent.futures import Future

import zmq

from rayferry.bridge.curve import CurveServer
from rayferry.bridge.gate import Gate
from rayferry.bridge.ipc import IpcClaim
from rayferry.bridge.link import PeerGone
from rayferry.endpoint import Endpoint, IpcEndpoint, TcpEndpoint, parse_endpoint
from rayferry.errors import StartError
from rayferry.keys import KeyPair
from rayferry.log import Log, no_log

# A lost wake-up costs at most this.
MAX_POLL_SECONDS = 0.05
# An envelope has at most 64 MiB; a little more is taken so that it can be refused with a sentence. At more, libzmq cuts
# the connection before it allocates.
MAX_MESSAGE_BYTES = 65 * 1024 * 1024
# A CURVE handshake takes 3 ms. What a peer sends before it is known is held for at most this long.
HANDSHAKE_MILLISECONDS = 3_000
# Pings of our own: by the worker's alone a dead connection is noticed only if nothing came after the last one.
PING_MILLISECONDS, PONG_MILLISECONDS = 1_000, 3_000
# From a wish of another thread to its fulfilment by the one that receives, which may be busy with a large frame.
ALSO_LISTEN_SECONDS = 5.0


class RouterLink:
    """A ROUTER bound to ipc:// or tcp://; `endpoint` is where, with the port that was free. Raises StartError.

    With `curve`, only clients of the allowed keys come in. Without, tcp:// beyond loopback needs `allow_plain`: anybody
    who reaches the port may run tasks.
    """

    def __init__(
        self, endpoint: str, curve: CurveServer | None = None, *, allow_plain: bool = False, log: Log = no_log
    ) -> None:
        asked = parse_endpoint(endpoint)
        check_plain(asked, encrypted=curve is not None, allow_plain=allow_plain)
        self._claim = IpcClaim(asked.path) if isinstance(asked, IpcEndpoint) else None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._gate: Gate | None = None
        try:
            self._configure(asked)
            self._gate = Gate(self._socket, curve, log)
            self.endpoint = self._bind(asked)
            if self._claim is not None:
                self._claim.verify()
        except BaseException:
            self._close_sockets()
            raise
        self._woken = threading.Event()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._poller = zmq.Poller()
        for each in (self._socket, *self._gate.sockets):
            self._poller.register(each, zmq.POLLIN)
        self._poller.register(self._wake_in.fileno(), zmq.POLLIN)
        self._wishes: deque[tuple[TcpEndpoint, CurveServer, Future[str]]] = deque()

    def also_listen(self, endpoint: TcpEndpoint, curve: CurveServer) -> str:
        """Listen there too, to clients of the allowed keys; the endpoint with the port that was free. For one `curve`,
        on a link without CURVE of its own; from any thread but the one that receives. Raises StartError; TimeoutError
        of concurrent.futures."""
        answer: Future[str] = Future()
        self._wishes.append((endpoint, curve, answer))
        self.wake()
        try:
            return answer.result(ALSO_LISTEN_SECONDS)
        finally:
            # If it wasn't fulfilled in time it isn't any more: nobody would know where.
            answer.cancel()

    def receive(self, timeout_seconds: float) -> list[tuple[bytes, bytes]]:
        ready = self._poller.poll(int(max(0.0, min(timeout_seconds, MAX_POLL_SECONDS)) * 1000))
        if any(which == self._wake_in.fileno() for which, _ in ready):
            self._drain_wake_ups()
        while self._wishes:
            self._listen(*self._wishes.popleft())
        if self._gate is not None:
            self._gate.serve()
        frames: list[tuple[bytes, bytes]] = []
        # Bounded, so that a flood of frames can't starve heartbeats.
        for _ in range(1000):
            # Asked first, because an exception costs 8 us, a tenth of a round trip.
            if not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                break
            parts = self._socket.recv_multipart(zmq.DONTWAIT)
            # A frame in several parts isn't ours; an empty one is refused as a bad frame by whoever opens it.
            frames.append((parts[0], parts[1] if len(parts) == 2 else b""))
        return frames

    def send(self, peer: bytes, frame: bytes) -> None:
        try:
            # ROUTER takes the peer's id to know where to, and raises then: the frame follows it or was never begun.
            self._socket.send(peer, zmq.SNDMORE | zmq.DONTWAIT)
            self._socket.send(frame, zmq.DONTWAIT, copy=len(frame) < 65_536)
        except zmq.ZMQError as error:
            raise PeerGone(str(error)) from error

    def wake(self) -> None:
        # The flag saves a system call for each of a thousand results that end together.
        if not self._woken.is_set():
            self._woken.set()
            try:
                self._wake_out.send(b"!")
            except OSError:
                # Full: it is awake already. Closed: nobody is left to wake.
                return

    def close(self) -> None:
        self._close_sockets()
        self._wake_in.close()
        self._wake_out.close()

    def remove_files(self) -> None:
        """Part of `close`: what ZeroMQ leaves on disk. From any thread, for an end that doesn't wait for `close`."""
        if self._claim is not None:
            self._claim.release()

    def _configure(self, endpoint: Endpoint) -> None:
        options = {
            zmq.LINGER: 0,
            # Without it a frame to a peer that is gone vanishes without a word.
            zmq.ROUTER_MANDATORY: 1,
            # A worker that reconnects under its routing id gets it, though the old connection isn't noticed dead yet.
            zmq.ROUTER_HANDOVER: 1,
            # No limit in ZeroMQ: what is in flight is bounded by what workers hold; at a limit, sends would fail.
            zmq.SNDHWM: 0,
            zmq.RCVHWM: 0,
            zmq.MAXMSGSIZE: MAX_MESSAGE_BYTES,
            zmq.HANDSHAKE_IVL: HANDSHAKE_MILLISECONDS,
            zmq.HEARTBEAT_IVL: PING_MILLISECONDS,
            zmq.HEARTBEAT_TIMEOUT: PONG_MILLISECONDS,
            zmq.IPV6: int(isinstance(endpoint, TcpEndpoint) and ":" in endpoint.host),
        }
        for option, value in options.items():
            self._socket.setsockopt(option, value)

    def _listen(self, endpoint: TcpEndpoint, curve: CurveServer, answer: Future[str]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            if self._gate is not None:
                # Options count for binds that follow: what listens already goes on without CURVE.
                self._gate.guard(curve)
                self._poller.register(self._gate.sockets[-1], zmq.POLLIN)
            self._socket.setsockopt(zmq.IPV6, int(":" in endpoint.host))
            answer.set_result(self._bind(endpoint))
        except (StartError, zmq.ZMQError) as error:
            answer.set_exception(error)

    def _bind(self, endpoint: Endpoint) -> str:
        try:
            self._socket.bind(str(endpoint))
        except zmq.ZMQError as error:
            raise _cant_bind(endpoint, error) from None
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def _close_sockets(self) -> None:
        if self._gate is not None:
            self._gate.close()
        self._socket.close(0)
        self._context.term()
        self.remove_files()

    def _drain_wake_ups(self) -> None:
        # The order matters: empty the pipe, then clear the flag, and only then does the caller empty its queue. Any
        # other order can leave a result in the queue with no wake-up for it.
        try:
            while os.read(self._wake_in.fileno(), 4096):
                pass
        except BlockingIOError:
            pass
        self._woken.clear()


def make_key_pair() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def check_plain(endpoint: Endpoint, *, encrypted: bool, allow_plain: bool) -> None:
    """Raises StartError for tcp:// that others can reach and that nothing protects."""
    if isinstance(endpoint, IpcEndpoint) or endpoint.is_loopback or encrypted or allow_plain:
        return
    raise StartError(
        "PLAIN_TCP",
        f"{endpoint} can be reached from other machines, and without keys whoever reaches it may run any task. "
        "Make keys with `rayferry keys` and give --keys and --clients, or say --plain-tcp (insecure) if the network "
        "keeps everybody else out.",
    )


def _cant_bind(endpoint: Endpoint, error: zmq.ZMQError) -> StartError:
    if error.errno == errno.EADDRINUSE:
        return StartError(
            "ENDPOINT_IN_USE", f"Another process listens on {endpoint}. Use another port, or 0 for one that is free."
        )
    if error.errno in (errno.ENODEV, errno.EADDRNOTAVAIL):
        return StartError(
            "BAD_ENDPOINT", f"This machine has no address like that of {endpoint}. Use one of its own, or * for all."
        )
    return StartError("BAD_ENDPOINT", f"{endpoint} can't be bound: {os.strerror(error.errno or 0)}.")
