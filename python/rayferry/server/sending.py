"""Frames to workers, and what it means when one can't be delivered."""

from __future__ import annotations

from rayferry.bridge.envelope import encode_message, seal_frame
from rayferry.bridge.from_server import FromServer
from rayferry.bridge.link import Link, PeerGone
from rayferry.log import Log
from rayferry.server.session import Session
from rayferry.server.sessions import Sessions


class Sending:
    def __init__(self, epoch: str, sessions: Sessions, log: Log) -> None:
        self._epoch = epoch
        self._sessions = sessions
        self._log = log

    def flush(self, link: Link, session: Session, now: float) -> None:
        """What may go out now."""
        try:
            for frame in session.frames(self._epoch, now):
                link.send(session.peer, frame)
        except PeerGone as error:
            # What was in it is kept until acknowledged, and goes out again when the worker is back.
            self._sessions.lose(session, now, str(error))

    def flush_loose(self, link: Link, session: Session) -> None:
        """Only what isn't numbered: a welcome, before what is sent again or anew."""
        try:
            link.send(session.peer, session.loose_frame(self._epoch))
        except PeerGone as error:
            session.attached = False
            self._log("warn", "A worker left before its welcome.", worker=session.worker, reason=str(error))

    def answer(self, link: Link, peer: bytes, message: FromServer) -> None:
        """To whoever that is, at once."""
        try:
            link.send(peer, seal_frame(self._epoch, 0, 0, [encode_message(message)]))
        except PeerGone:
            self._log("debug", "A peer left before its answer.")
