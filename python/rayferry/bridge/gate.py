"""The door of a ROUTER: answers libzmq's question who may come in (ZAP, RFC 27), and says who was turned away.

pyzmq's ThreadAuthenticator isn't used: its callback doesn't hear the address, and an exception in it ends its thread,
and with it every later handshake, without a word.
"""

from __future__ import annotations

import time

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from rayferry.bridge.curve import CurveServer
from rayferry.keys import fingerprint
from rayferry.log import Log

ZAP_ENDPOINT = "inproc://zeromq.zap.01"
ZAP_DOMAIN = b"rayferry"
# Lines for each window of so many seconds: a peer that knocks 1,000 times a second must not fill a disk.
LOG_LINES, LOG_SECONDS = 5, 1.0


class Gate:
    """Belongs to the thread of its ROUTER. Made before the bind: the first client may come with it."""

    def __init__(self, router: zmq.Socket[bytes], curve: CurveServer | None, log: Log) -> None:
        self._router = router
        self._curve: CurveServer | None = None
        self._log = log
        self._window, self._lines, self._unsaid = 0.0, 0, 0
        self._monitor = router.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
        self._zap: zmq.Socket[bytes] | None = None
        self.sockets = [self._monitor]
        if curve is not None:
            self.guard(curve)

    def guard(self, curve: CurveServer) -> None:
        """What is bound from now on takes these clients alone, what is bound already stays as it is. May be called
        again."""
        if curve is self._curve:
            return
        router = self._router
        self._curve = curve
        self._zap = router.context.socket(zmq.REP)
        self._zap.bind(ZAP_ENDPOINT)
        # With a domain libzmq asks for certain; without a handler CURVE lets in whoever knows the server's public key.
        router.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
        router.curve_server = 1
        router.curve_publickey = curve.pair.public.encode()
        router.curve_secretkey = curve.pair.secret.encode()
        self.sockets.append(self._zap)

    def serve(self) -> None:
        """Answer and report what is waiting. Doesn't block."""
        while self._zap is not None and self._zap.poll(0):
            self._answer(self._zap)
        while self._monitor.poll(0):
            self._report(int(recv_monitor_message(self._monitor)["value"]))

    def close(self) -> None:
        self._router.disable_monitor()
        self._monitor.close(0)
        if self._zap is not None:
            self._zap.close(0)

    def _answer(self, zap: zmq.Socket[bytes]) -> None:
        version, request, domain, address, _routing_id, mechanism, *credentials = zap.recv_multipart()
        key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and len(credentials) == 1 else ""
        allowed = bool(key) and domain == ZAP_DOMAIN and self._allows(key)
        status, reason = (b"200", b"OK") if allowed else (b"400", b"unknown key")
        zap.send_multipart([version, request, status, reason, key.encode() if allowed else b"", b""])
        if not allowed and self._curve is not None:
            self._warn(
                f"Refused a client: its key isn't an allowed one. {self._curve.remedy}",
                client_key=fingerprint(key),
                address=address.decode(errors="replace"),
            )

    def _allows(self, key: str) -> bool:
        try:
            return self._curve is not None and self._curve.clients.allows(key)
        except Exception as error:
            # Whatever it is, nobody comes in by it, and the next one is asked about again.
            self._log("error", f"The allowed keys can't be read: {type(error).__name__}: {error}")
            return False

    def _report(self, reason: int) -> None:
        if reason == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH and self._curve is not None:
            self._warn("Refused a client without a key: this server takes CURVE alone. Start the worker with --keys.")
        elif reason == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            self._warn("Refused a client that expects CURVE: this server has no keys. Give it --keys and --clients.")
        elif reason == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC and self._curve is not None:
            self._warn(
                "Refused a client that has another server's public key: give it this server's.",
                public_key=self._curve.pair.public,
            )
        else:
            self._warn("Refused a connection that doesn't speak ZeroMQ's protocol.", reason=hex(reason))

    def _warn(self, sentence: str, **fields: object) -> None:
        now = time.monotonic()
        if now - self._window > LOG_SECONDS:
            self._window, self._lines = now, 0
        self._lines += 1
        if self._lines > LOG_LINES:
            self._unsaid += 1
            return
        unsaid, self._unsaid = self._unsaid, 0
        self._log("warn", sentence, **fields, **({"not_logged_before": unsaid} if unsaid else {}))
