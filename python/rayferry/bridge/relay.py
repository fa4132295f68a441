"""Frames that take another way than ZeroMQ: a worker's sidecar passes them to a server on another node, and back.

worker ── ZeroMQ ─► Relay, in the sidecar ── exchange(peer, frames) ─► RelayedLink, beside the server

The protocol is the same, so that a relayed worker is a worker like any other: what is lost on the way is sent again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from rayferry.bridge.link import Link, PeerGone
from rayferry.log import Log

# Nobody asked for a peer's frames for so long: it is gone.
GONE_SECONDS = 5.0
# Nobody spoke to a relay for so long, though a worker speaks each second: it ends.
UNUSED_SECONDS = 60.0
# How long one exchange waits for frames when it brings none itself: what a worker sends meanwhile waits for it.
WAIT_SECONDS = 0.05
IDLE_SECONDS = 0.01
# Before the peer's id: which way it came.
_DIRECT, _RELAYED = b"z", b"r"

# (peer, frames for the server, seconds to wait) -> frames for the peer.
Exchange = Callable[[bytes, list[bytes], float], list[bytes]]


class _Peer:
    def __init__(self) -> None:
        self.frames: deque[bytes] = deque()
        self.asked_at = time.monotonic()


class RelayedLink:
    """A server's link that takes relayed frames too. `exchange` may be called by any thread."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._arrived: deque[tuple[bytes, bytes]] = deque()
        self._peers: dict[bytes, _Peer] = {}
        self._changed = threading.Condition()
        self._next_look = 0.0

    def exchange(self, peer: bytes, frames: list[bytes], seconds: float) -> list[bytes]:
        with self._changed:
            # Before its frames are seen: the answer may come at once.
            waiting = self._peers.setdefault(peer, _Peer())
            waiting.asked_at = time.monotonic()
        self._arrived.extend((_RELAYED + peer, frame) for frame in frames)
        if frames:
            self._link.wake()
        with self._changed:
            self._changed.wait_for(lambda: waiting.frames, seconds)
            waiting.asked_at = time.monotonic()
            answer = list(waiting.frames)
            waiting.frames.clear()
            return answer

    def receive(self, timeout_seconds: float) -> list[tuple[bytes, bytes]]:
        frames = [(_DIRECT + peer, frame) for peer, frame in self._link.receive(timeout_seconds)]
        while self._arrived:
            frames.append(self._arrived.popleft())
        self._forget_gone()
        return frames

    def send(self, peer: bytes, frame: bytes) -> None:
        name = peer[1:]
        if peer[:1] == _DIRECT:
            self._link.send(name, frame)
            return
        with self._changed:
            waiting = self._peers.get(name)
            if waiting is None or time.monotonic() - waiting.asked_at > GONE_SECONDS:
                self._peers.pop(name, None)
                raise PeerGone("nobody relays for this peer any more")
            waiting.frames.append(frame)
            self._changed.notify_all()

    def wake(self) -> None:
        self._link.wake()

    def _forget_gone(self) -> None:
        """With what waits for them: to a worker that was replaced nothing is ever sent again."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + GONE_SECONDS
        with self._changed:
            for name, peer in list(self._peers.items()):
                if now - peer.asked_at > GONE_SECONDS:
                    del self._peers[name]


class OwnLink(Link, Protocol):
    def close(self) -> None: ...


class Relay:
    """The sidecar's half: a thread between a link of its own, to which the worker connects, and `exchange`."""

    def __init__(self, link: OwnLink, exchange: Exchange, log: Log) -> None:
        self._link = link
        self._exchange = exchange
        self._log = log
        self._peers: dict[bytes, None] = {}
        self._used_at = time.monotonic()
        threading.Thread(target=self._run, name="relay", daemon=True).start()

    def _run(self) -> None:
        try:
            while time.monotonic() - self._used_at <= UNUSED_SECONDS:
                self._turn()
        except Exception as error:
            # The worker hears nothing more and gives the server up.
            self._log("warn", "A relay ended.", reason=f"{type(error).__name__}: {error}")
        finally:
            self._link.close()

    def _turn(self) -> None:
        frames: dict[bytes, list[bytes]] = {peer: [] for peer in self._peers}
        for peer, frame in self._link.receive(IDLE_SECONDS):
            self._peers[peer] = None
            self._used_at = time.monotonic()
            frames.setdefault(peer, []).append(frame)
        for peer, given in frames.items():
            for answer in self._exchange(peer, given, 0 if given else WAIT_SECONDS):
                try:
                    self._link.send(peer, answer)
                except PeerGone:
                    self._peers.pop(peer, None)
                    break
