"""The server's ZeroMQ socket. The only file that imports zmq.

A ZeroMQ socket belongs to one thread, the one that calls `receive` and `send`. Others wake it through a socketpair.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import zmq

from rayferry.bridge.link import PeerGone

# A lost wake-up costs at most this.
MAX_POLL_SECONDS = 0.05


class RouterLink:
    """A ROUTER bound to an ipc:// endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._path = Path(endpoint.removeprefix("ipc://"))
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        # Without it a frame to a peer that is gone vanishes without a word.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # A worker that reconnects under its routing id gets it, though the old connection isn't noticed dead yet.
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        # No limit in ZeroMQ: what is in flight is bounded by what workers hold; at a limit, sends would fail.
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.bind(endpoint)
        self._woken = threading.Event()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._wake_in.fileno(), zmq.POLLIN)

    def receive(self, timeout_seconds: float) -> list[tuple[bytes, bytes]]:
        self._poller.poll(int(max(0.0, min(timeout_seconds, MAX_POLL_SECONDS)) * 1000))
        self._drain_wake_ups()
        frames: list[tuple[bytes, bytes]] = []
        # Bounded, so that a flood of frames can't starve heartbeats.
        for _ in range(1000):
            try:
                parts = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            # A frame in several parts isn't ours; an empty one is refused as a bad frame by whoever opens it.
            frames.append((parts[0], parts[1] if len(parts) == 2 else b""))
        return frames

    def send(self, peer: bytes, frame: bytes) -> None:
        try:
            self._socket.send_multipart([peer, frame], zmq.DONTWAIT, copy=len(frame) < 65_536)
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
        self._socket.close(0)
        self._context.term()
        self._wake_in.close()
        self._wake_out.close()
        # ZeroMQ leaves the file behind.
        self._path.unlink(missing_ok=True)

    def _drain_wake_ups(self) -> None:
        # The order matters: empty the pipe, then clear the flag, and only then does the caller empty its queue. Any
        # other order can leave a result in the queue with no wake-up for it.
        try:
            while os.read(self._wake_in.fileno(), 4096):
                pass
        except BlockingIOError:
            pass
        self._woken.clear()
