"""The server: one loop in one thread over a link and a runner.

Threads: `run` owns the link and all state. What a runner reports, and `stop`, may come from any thread; they only
append to queues, or set a flag, and wake the loop.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Literal

from rayferry.bridge.envelope import Opened, open_frame
from rayferry.bridge.fields import AttemptKey
from rayferry.bridge.from_server import Fault, Gap, Refused, Rejected
from rayferry.bridge.from_worker import (
    Adopt,
    Cancel,
    Close,
    Discard,
    FromWorker,
    Hello,
    InventoryRequest,
    Recorded,
    Retire,
    Submit,
    Withdraw,
)
from rayferry.bridge.from_worker import Authority as AuthorityMessage
from rayferry.bridge.link import Link
from rayferry.errors import FrameRefused
from rayferry.log import Log
from rayferry.server.attempts import Answer, Attempts
from rayferry.server.authority import Authority
from rayferry.server.introduction import Introduction, post_inventory
from rayferry.server.pass_on import pass_on
from rayferry.server.pulse import Pulse
from rayferry.server.reports import Reports
from rayferry.server.results import Results
from rayferry.server.runner import Runner, Started
from rayferry.server.sending import Sending
from rayferry.server.session import Session
from rayferry.server.sessions import Sessions
from rayferry.server.watchdog import Watchdog

POLL_SECONDS = 0.05
# From one turn to the next, where this process was stopped, or starved.
STOOD_STILL_SECONDS = 1.0
# Bytes of a frame that is answered before the next is read, so that the worker has its answers to work on meanwhile.
LARGE_FRAME = 32 * 1024

# Why the loop ended: the worker said so, its authority ran out, the host asked for it, the runner is past mending, or
# it was retired and holds nothing any more.
End = Literal["CLOSED", "AUTHORITY_EXPIRED", "STOPPED", "RUNNER_BROKEN", "RETIRED"]


class Server:
    """`start`, then `run` until it says why it ended, then `shut_down`."""

    def __init__(
        self,
        runner: Runner,
        *,
        build: str,
        log: Log,
        authority_seconds: float = 8.0,
        generation: str | None = None,
        results: Results | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch = uuid.uuid4().hex
        self.authority = Authority(authority_seconds)
        self._build = build
        self._generation = generation
        self._log = log
        self._clock = clock
        self._runner = runner
        self._results = results or Results(log)
        self._sessions = Sessions(build, log)
        self._sending = Sending(self.epoch, self._sessions, log)
        self._reports = Reports(clock, self._wake)
        self._link: Link | None = None
        self._thread = 0
        self._turned_at = 0.0
        self._retired = False
        self._end: End | None = None

    def start(self) -> Started:
        """Start the runner and read the registry. Raises StartError."""
        started = self._runner.start()
        self._attempts = Attempts(self._runner, started.registry, self._results, self._reports.of, self._log)
        self._introduction = Introduction(
            build=self._build,
            epoch=self.epoch,
            generation=self._generation,
            authority=self.authority,
            started=started,
        )
        self._pulse = Pulse(self._runner, self._attempts, self._sessions, self._results, self.authority, self._log)
        return started

    def run(self, link: Link) -> End:
        self.attach(link)
        watchdog = Watchdog(self._log)
        watchdog.start()
        try:
            while (end := self.turn(link)) is None:
                watchdog.turned()
            return end
        finally:
            watchdog.close()

    def attach(self, link: Link) -> None:
        """Before the first turn."""
        self._link = link
        self._thread = threading.get_ident()
        self._turned_at = self._clock()
        if self._generation is not None:
            # In an actor nobody else ends it, should no worker ever come.
            self.authority.begin(self._clock())

    def turn(self, link: Link) -> End | None:
        """Once around: take what has come, do what is due, send what may be sent. Says why if that was the last."""
        frames = link.receive(POLL_SECONDS)
        now = self._clock()
        if self._end is None and self.authority.expired(now):
            self._log("error", f"No lease renewal for {self.authority.seconds:g} s: stopping all work.")
            self._end = "AUTHORITY_EXPIRED"
        # Before anything is read or said: a server without authority reports nothing.
        if self._end is not None:
            return self._end
        if now - self._turned_at > STOOD_STILL_SECONDS:
            self._attempts.stood_still(now)
        self._turned_at = now
        # What ended while nobody looked isn't killed any more.
        self._take_reports()
        for peer, frame in frames:
            self._take(link, peer, frame, now)
            if len(frame) > LARGE_FRAME:
                self._answer_all(link, now)
        self._attempts.kill_overdue(now)
        broken_or_empty = self._pulse.beat(now, self._retired)
        if broken_or_empty is not None:
            # Not assigned otherwise: `stop` may have come meanwhile.
            self._end = self._end or broken_or_empty
        self._answer_all(link, now)
        return None

    def _answer_all(self, link: Link, now: float) -> None:
        self._take_reports()
        for session in self._sessions:
            self._sending.flush(link, session, now)

    def stop(self) -> None:
        """Make `run` return. From any thread, also from a signal handler."""
        self._end = self._end or "STOPPED"
        if self._link is not None:
            self._link.wake()

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions)

    @property
    def holds(self) -> list[AttemptKey]:
        """Attempts that run, or whose result isn't recorded."""
        return self._attempts.keys()

    def shut_down(self) -> None:
        """Stop all work, at once."""
        self._runner.stop()

    def _wake(self) -> None:
        # What is reported from inside the loop is taken in the same turn: to wake it would cost the next one.
        if self._link is not None and threading.get_ident() != self._thread:
            self._link.wake()

    def _take(self, link: Link, peer: bytes, frame: bytes, now: float) -> None:
        try:
            opened = open_frame(frame)
            if opened.hello is not None:
                self._greet(link, peer, opened, opened.hello, now)
                return
            session = self._session_for(peer, opened)
            if not session.attached:
                # A relay may have lost what was sent to it, and no connection broke that would make it say hello.
                session.say(Gap(session.incoming.received))
            session.heard(now)
            session.outgoing.acknowledge(opened.envelope.ack)
            if self._is_next(session, opened, now):
                for message in opened.messages:
                    self._handle(session, message, now)
        except FrameRefused as error:
            self._log("warn", "Refused a frame.", code=error.code, reason=error.message)
            self._sending.answer(link, peer, Fault(error.code, error.message))  # type: ignore[arg-type]

    def _session_for(self, peer: bytes, opened: Opened) -> Session:
        session = self._sessions.of_peer(peer)
        if session is None:
            raise FrameRefused("NO_SESSION", "Expected a `hello` first: this peer has no session with this server.")
        if opened.envelope.epoch != self.epoch:
            raise FrameRefused("WRONG_EPOCH", f"Expected epoch {self.epoch}, got {opened.envelope.epoch}.")
        return session

    def _is_next(self, session: Session, opened: Opened, now: float) -> bool:
        """Whether the messages of this frame are to be acted upon."""
        if opened.envelope.seq == 0:
            return True
        arrival = session.incoming.take(opened.envelope.seq, len(opened.messages), opened.size)
        if arrival == "gap" and session.may_tell_gap(now):
            session.say(Gap(session.incoming.received))
        return arrival == "next"

    def _greet(self, link: Link, peer: bytes, opened: Opened, hello: Hello, now: float) -> None:
        if opened.envelope.epoch not in (None, self.epoch):
            raise FrameRefused("WRONG_EPOCH", f"Expected epoch {self.epoch} or null, got {opened.envelope.epoch}.")
        greeted = self._ending(hello) or self._sessions.greet(peer, hello, now)
        if isinstance(greeted, Refused):
            self._sending.answer(link, peer, greeted)
            return
        session, resumed = greeted
        if self._generation is None:
            self.authority.begin(now)
        if self._retired and session.role == "submit" and not resumed:
            # What replaced its code was taken back before this one had finished.
            self._log("info", "In service again: a worker submits to it.", worker=hello.worker)
            self._retired = False
        session.say(self._introduction.welcome(session, resumed, hello, now))
        # The welcome first, by itself: what is sent again or anew comes after it.
        self._sending.flush_loose(link, session)
        if not resumed:
            self._introduction.post_all(session, self._attempts)

    def _ending(self, hello: Hello) -> Refused | None:
        """Nobody begins to submit to a server that ends; what it still holds may be drained."""
        if self._end is None or hello.role == "drain" or self._sessions.of(hello.incarnation):
            return None
        sentence = f"This server (pip rayferry {self._build}) ends. Worker {hello.worker!r} needs another one."
        return Refused(hello.hello, "ENDING", sentence)

    def _handle(self, session: Session, message: FromWorker, now: float) -> None:
        holder = session.incarnation
        answers: list[Answer] = []
        match message:
            case Submit():
                answers = self._submit(session, message, now)
            case Cancel():
                answers = self._attempts.cancel(message, holder, now)
            case Withdraw():
                answers = self._attempts.withdraw(message, holder)
            case Recorded():
                answers = self._attempts.recorded(message, holder)
            case Adopt():
                answers = self._attempts.adopt(message, holder)
            case Discard():
                self._attempts.discard(message, now)
            case InventoryRequest():
                post_inventory(session, self._attempts)
            case AuthorityMessage():
                if not self.authority.echo(message.tick, now):
                    self._log("warn", "Ignored a tick that this server never sent.", tick=message.tick)
            case Retire():
                self._retire(session, message, now)
            case Close():
                self._close(session, message)
            case _:
                # Heartbeats have said what they had to say by coming.
                return
        for answer in answers:
            session.post(answer)

    def _submit(self, session: Session, message: Submit, now: float) -> list[Answer]:
        if session.role != "submit":
            raise FrameRefused("BAD_STATE", f"A session of role {session.role!r} can't submit.")
        if self._end is not None or self._retired:
            sentence = "This server ends. Submit it to another one."
            return [Rejected(message.execution, message.fence, "ENDING", sentence)]
        return self._attempts.submit(message, session.incarnation, now)

    def _retire(self, session: Session, message: Retire, now: float) -> None:
        if session.role == "drain" and self._sessions.submitter(now) is not None:
            self._log("info", "Not retired: a worker submits to it.", reason=message.reason)
            return
        self._log("info", "Retired: ending when nothing is held.", reason=message.reason)
        self._retired = True

    def _close(self, session: Session, message: Close) -> None:
        self._log("info", "The worker closed the session.", reason=message.reason, stop=message.stop)
        if not message.stop:
            self._sessions.end(session.incarnation, message.reason)
            return
        if session.role != "submit":
            raise FrameRefused("BAD_STATE", f"A session of role {session.role!r} can't stop the server.")
        self._end = "CLOSED"

    def _take_reports(self) -> None:
        pass_on(self._reports, self._attempts, self._sessions, self._clock)
