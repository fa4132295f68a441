"""Who has a session with this server: which hellos are accepted, and which sessions go."""

from __future__ import annotations

from collections.abc import Iterator

from rayferry.bridge.fields import PROTOCOL, Database
from rayferry.bridge.from_server import Refused
from rayferry.bridge.from_worker import Hello
from rayferry.log import Log
from rayferry.server.session import ALIVE_SECONDS, Session

# How long a detached session is kept for its worker to come back to.
DETACHED_SECONDS = 600.0
# A connection that ends sooner than this after the worker's last word was cut; one that ends later, ended by its
# silence: libzmq gives it up 3 s after a ping that isn't answered, and a worker speaks each second.
SILENT_SECONDS = 2.5

CUT = "A worker's connection has ended: its process ended, or the network cut it."
SILENT = "A worker fell silent, ZeroMQ's pings too: its process is stopped, its machine is gone, or nothing passes."
STUCK = f"A worker is connected, but hasn't spoken for {ALIVE_SECONDS:g} s: its event loop is stuck."


class Sessions:
    def __init__(self, build: str, log: Log) -> None:
        self._build = build
        self._log = log
        self._by_incarnation: dict[str, Session] = {}
        self._by_peer: dict[bytes, Session] = {}
        self._database: Database | None = None

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_incarnation.values()))

    def of_peer(self, peer: bytes) -> Session | None:
        return self._by_peer.get(peer)

    def of(self, incarnation: str) -> Session | None:
        return self._by_incarnation.get(incarnation)

    def greet(self, peer: bytes, hello: Hello, now: float) -> tuple[Session, bool] | Refused:
        """(session, whether it goes on), or why not."""
        refused = self._refusal(hello, now)
        if refused is not None:
            self._log("warn", "Refused a hello.", code=refused.code, reason=refused.message)
            return refused
        same_timeline = self._note_database(hello.database)
        for dead in hello.replaces:
            self.end(dead, f"its incarnation is known to be dead: {hello.worker} says so")
        present = self.of(hello.incarnation)
        if present is not None and same_timeline and self._goes_on(present, hello):
            assert hello.resume is not None
            self._by_peer.pop(present.peer, None)
            present.resume(peer, hello.resume[1], now)
            self._by_peer[peer] = present
            return present, True
        self.end(hello.incarnation, "it said hello anew")
        if hello.role == "submit":
            for other in self:
                if other.role == "submit":
                    self.end(other.incarnation, f"incarnation {hello.incarnation} took over")
        session = Session(peer, hello, now)
        self._by_incarnation[hello.incarnation] = self._by_peer[peer] = session
        self._log("info", "A session began.", worker=hello.worker, incarnation=hello.incarnation, role=hello.role)
        return session, False

    def submitter(self, now: float) -> Session | None:
        """The session of role `submit`, unless nothing was heard of it for too long."""
        return next((session for session in self if session.role == "submit" and session.alive(now)), None)

    def end(self, incarnation: str, reason: str) -> None:
        session = self._by_incarnation.pop(incarnation, None)
        if session is None:
            return
        self._by_peer.pop(session.peer, None)
        self._log("info", "A session ended.", worker=session.worker, incarnation=incarnation, reason=reason)

    def lose(self, session: Session, now: float, reason: str) -> None:
        """Its connection is gone."""
        session.attached = False
        silent = now - session.heard_at
        sentence = CUT if silent < SILENT_SECONDS else SILENT
        self._log(
            "warn",
            sentence,
            worker=session.worker,
            incarnation=session.incarnation,
            silent_seconds=round(silent, 1),
            reason=reason,
        )

    def look_after(self, now: float) -> None:
        for session in self:
            if session.attached and not session.alive(now):
                session.attached = False
                self._log("warn", STUCK, worker=session.worker, incarnation=session.incarnation)
            if now - session.heard_at > DETACHED_SECONDS:
                self.end(session.incarnation, f"nothing heard for {DETACHED_SECONDS:g} s")

    def _goes_on(self, session: Session, hello: Hello) -> bool:
        if hello.resume is None or hello.role != session.role:
            return False
        name, received = hello.resume
        return name == session.id and session.outgoing.acknowledged <= received <= session.outgoing.sent

    def _note_database(self, database: Database | None) -> bool:
        """False where Postgres has another timeline than at the last hello: it may have lost rows, so all is compared
        anew."""
        before, self._database = self._database, database or self._database
        return before is None or database is None or before.timeline == database.timeline

    def _refusal(self, hello: Hello, now: float) -> Refused | None:
        if not hello.protocol_min <= PROTOCOL <= hello.protocol_max:
            return Refused(
                hello.hello,
                "PROTOCOL_MISMATCH",
                f"Worker {hello.worker!r} (npm rayferry {hello.build}) speaks protocol {hello.protocol_min} to "
                f"{hello.protocol_max}; this server (pip rayferry {self._build}) speaks {PROTOCOL}. "
                "Install the same version of both packages.",
            )
        known, given = self._database, hello.database
        if known is not None and given is not None and known.system_id != given.system_id:
            return Refused(
                hello.hello,
                "WRONG_DATABASE",
                f"Worker {hello.worker!r} works for the database cluster {given.system_id}; this server works for "
                f"{known.system_id}. Start a server of its own for each database.",
            )
        for current in self:
            taken = hello.role == current.role == "submit" and current.incarnation != hello.incarnation
            if taken and current.alive(now) and current.incarnation not in hello.replaces:
                return Refused(
                    hello.hello,
                    "SESSION_TAKEN",
                    f"Worker {hello.worker!r} (incarnation {hello.incarnation}) asked for a session, but worker "
                    f"{current.worker!r} (incarnation {current.incarnation}) has it and was heard "
                    f"{now - current.heard_at:.1f} s ago. Start a server of your own.",
                )
        return None
