"""The server: one loop in one thread over a link and a runner.

Threads: `run` owns the link and all state. A runner's `on_done` and `stop` may come from any thread; they only append
to a queue, or set a flag, and wake the loop.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Literal

from rayferry.bridge.envelope import Opened, open_frame, seal_frame
from rayferry.bridge.link import Link, PeerGone
from rayferry.bridge.messages import (
    PROTOCOL,
    Cancel,
    Close,
    Fault,
    FromServer,
    FromWorker,
    Heartbeat,
    Hello,
    Recorded,
    RegistryMessage,
    Submit,
    Welcome,
)
from rayferry.bridge.messages import Authority as AuthorityMessage
from rayferry.errors import FrameRefused
from rayferry.log import Log
from rayferry.outcome import Outcome
from rayferry.server.attempts import Attempts
from rayferry.server.authority import Authority
from rayferry.server.held import Held
from rayferry.server.runner import Runner, Started
from rayferry.server.session import Session, refusal

HEARTBEAT_SECONDS = 1.0
POLL_SECONDS = 0.05

# Why the loop ended: the worker said close, its lease ran out, the host asked for it, or the runner is past mending.
End = Literal["CLOSED", "AUTHORITY_EXPIRED", "STOPPED", "RUNNER_BROKEN"]


class Server:
    """`start`, then `run` until it says why it ended, then `shut_down`."""

    def __init__(
        self,
        runner: Runner,
        *,
        build: str,
        log: Log,
        authority_seconds: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch = uuid.uuid4().hex
        self.authority = Authority(authority_seconds)
        self._build = build
        self._log = log
        self._clock = clock
        self._runner = runner
        self._link: Link | None = None
        self._session: Session | None = None
        self._done: deque[tuple[Held, Outcome, float]] = deque()
        self._next_heartbeat = 0.0
        self._end: End | None = None

    def start(self) -> Started:
        """Start the runner and read the registry. Raises StartError."""
        self._started = self._runner.start()
        self._digest = self._started.registry.digest()
        self._attempts = Attempts(self._runner, self._started.registry, self._note_done, self._log)
        return self._started

    def run(self, link: Link) -> End:
        self._link = link
        while True:
            frames = link.receive(POLL_SECONDS)
            now = self._clock()
            if self._end is None and self.authority.expired(now):
                self._log("error", f"No lease renewal for {self.authority.seconds:g} s: stopping all work.")
                self._end = "AUTHORITY_EXPIRED"
            # Before anything is read or said: a server without authority reports nothing.
            if self._end is not None:
                return self._end
            for peer, frame in frames:
                self._take(link, peer, frame, now)
            self._take_done()
            self._attempts.kill_overdue(now)
            self._look_after(now)
            self._flush(link)

    def stop(self) -> None:
        """Make `run` return. From any thread, also from a signal handler."""
        self._end = self._end or "STOPPED"
        if self._link is not None:
            self._link.wake()

    def shut_down(self) -> None:
        """Stop all work, at once."""
        self._runner.stop()

    def _take(self, link: Link, peer: bytes, frame: bytes, now: float) -> None:
        try:
            opened = open_frame(frame)
            if opened.hello is not None:
                self._greet(link, peer, opened, opened.hello, now)
                return
            session = self._session_for(peer, opened)
            session.heard_at = now
            for message in opened.messages:
                self._handle(session, message, now)
        except FrameRefused as error:
            self._log("warn", "Refused a frame.", code=error.code, reason=error.message)
            fault = Fault(error.code, error.message)  # type: ignore[arg-type]
            if self._session is not None and self._session.peer == peer:
                self._session.post(fault)
            else:
                self._answer_stranger(link, peer, fault)

    def _session_for(self, peer: bytes, opened: Opened) -> Session:
        session = self._session
        if session is None or session.peer != peer:
            raise FrameRefused("NO_SESSION", "Expected a `hello` first: this peer has no session with this server.")
        if opened.envelope.epoch != self.epoch:
            raise FrameRefused("WRONG_EPOCH", f"Expected epoch {self.epoch}, got {opened.envelope.epoch}.")
        session.sequence.take(opened.envelope)
        return session

    def _greet(self, link: Link, peer: bytes, opened: Opened, hello: Hello, now: float) -> None:
        if opened.envelope.epoch not in (None, self.epoch):
            raise FrameRefused("WRONG_EPOCH", f"Expected epoch {self.epoch} or null, got {opened.envelope.epoch}.")
        refused = refusal(hello, self._build, self._session, now)
        if refused is not None:
            self._log("warn", "Refused a hello.", code=refused.code, reason=refused.message)
            self._answer_stranger(link, peer, refused)
            return
        session = Session(peer, hello, now)
        session.sequence.take(opened.envelope)
        self._session = session
        self.authority.begin(now)
        self._log("info", "A session began.", worker=hello.worker, incarnation=hello.incarnation)
        session.post(self._welcome(now))
        session.post(RegistryMessage(self._started.registry.tasks, self._started.registry.failures))
        for result in self._attempts.results(now):
            session.post(result)
        self._next_heartbeat = now + HEARTBEAT_SECONDS

    def _welcome(self, now: float) -> Welcome:
        return Welcome(
            protocol=PROTOCOL,
            build=self._build,
            epoch=self.epoch,
            tick=now,
            pid=os.getpid(),
            python=platform.python_version(),
            cluster=self._started.cluster,
            registry_digest=self._digest,
            held=self._attempts.keys(),
        )

    def _handle(self, session: Session, message: FromWorker, now: float) -> None:
        match message:
            case Submit():
                answers = self._attempts.submit(message, now, stopping=self._end is not None)
            case Cancel():
                answers = self._attempts.cancel(message, now)
            case Recorded():
                answers = self._attempts.forget(message)
            case AuthorityMessage():
                if not self.authority.echo(message.tick, now):
                    self._log("warn", "Ignored a tick that this server never sent.", tick=message.tick)
                return
            case Close():
                self._log("info", "The worker closed the session.", reason=message.reason)
                self._end = "CLOSED"
                return
            case Hello():
                return
        for answer in answers:
            session.post(answer)

    def _note_done(self, held: Held, outcome: Outcome) -> None:
        """From any thread."""
        self._done.append((held, outcome, self._clock()))
        if self._link is not None:
            self._link.wake()

    def _take_done(self) -> None:
        while self._done:
            held, outcome, at = self._done.popleft()
            if held.outcome is None:
                held.end(outcome, at)
                if self._session is not None:
                    self._session.post(held.result(self._clock()))

    def _look_after(self, now: float) -> None:
        """Each second."""
        if now < self._next_heartbeat:
            return
        self._next_heartbeat = now + HEARTBEAT_SECONDS
        trouble = self._runner.trouble()
        if trouble is not None:
            # Everything would be lost that is submitted to it: a new server is the only way on.
            self._log("error", "The runner is broken: ending.", reason=trouble)
            self._end = self._end or "RUNNER_BROKEN"
        elif self._session is not None:
            running, unrecorded = self._attempts.counts()
            self._session.post(Heartbeat(now, running, unrecorded))

    def _flush(self, link: Link) -> None:
        session = self._session
        if session is None:
            return
        try:
            for frame in session.frames(self.epoch):
                link.send(session.peer, frame)
        except PeerGone as error:
            # What was in it is kept until recorded, and goes out again after the next hello.
            session.lose()
            self._log("warn", "The worker can't be reached.", reason=str(error))

    def _answer_stranger(self, link: Link, peer: bytes, message: FromServer) -> None:
        try:
            link.send(peer, seal_frame(self.epoch, 1, 0, [message]))
        except PeerGone:
            self._log("debug", "A peer left before its answer.")
