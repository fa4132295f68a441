"""The task process's side of the link: a control thread that owns the socket.

The main thread begins and ends attempts and posts what they say; it waits for the link only where it has no grant of
authority to begin under. The control thread sends, asks for authority each second while there is work, interrupts the
current attempt when it is told to or its timeout is over, and ends the process when authority, or the grace of a
timeout, has run out.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections import OrderedDict
from typing import Literal, NoReturn

import msgspec

from rayferry.member import SIGNAL, Interrupts, Member
from rayferry.tasklink.authority import Granted, clock
from rayferry.tasklink.leave import (
    EXIT_AUTHORITY,
    EXIT_BROKEN,
    EXIT_CANCELLED,
    EXIT_TIMEOUT,
    LAST_RESORT_SECONDS,
    arm_last_resort,
    leave,
)
from rayferry.tasklink.messages import (
    MAX_PUSHED_RESULT,
    PROTOCOL,
    UNREADABLE,
    Acknowledged,
    Attached,
    Authority,
    Cancel,
    FromHub,
    Key,
    Leaving,
    LinkAddress,
    Result,
    Started,
    Tick,
    Withdraw,
    decode_from_hub,
)
from rayferry.tasklink.outbox import Outbox
from rayferry.tasklink.report import AttemptReport
from rayferry.tasklink.sender import Sender
from rayferry.tasklink.socket import ProcessSocket

# Between two ticks, where grants are that long; a quarter of what is left where they are shorter.
TICK_SECONDS = 1.0
MIN_TICK_SECONDS = 0.1
# A process that ended its last attempt this long ago asks no more: the grant is forgotten.
IDLE_SECONDS = 3.0
# A hub that says nothing for so long may have lost what it knew of this process.
SILENT_SECONDS = 3.0
# For the first grant: a connection over tcp with CURVE takes some milliseconds.
FIRST_GRANT_SECONDS = 5.0
FLUSH_SECONDS = 0.1
# Until an interrupt is known to have arrived; see Member for where it can't.
TELL_AGAIN_SECONDS = (0.005, 0.1)
RESEND_SECONDS = 0.05
# While attempts end before the thread has looked, it looks by itself this often, and nobody wakes it to say that one
# began: a wake-up for each cost a tenth of 1,200 no-op tasks a second. What ended unseen and said nothing isn't
# mentioned at all: Ray's return value is as fast.
BUSY_LOOK_SECONDS = 0.02
BUSY_SECONDS = 0.1
# Of an attempt with a timeout it has to be known that it began, before its first statement can hold the interpreter's
# lock: what dies unseen has crashed, and isn't timed out. Sent within a millisecond; a hub that takes nothing keeps
# nobody longer than this.
SAY_STARTED_SECONDS = 0.05
MAX_WITHDRAWN = 10_000

Begin = Literal["BEGUN", "WITHDRAWN", "NO_AUTHORITY"]


class ProcessFacts(msgspec.Struct, frozen=True):
    worker_id: str | None
    node_id: str | None


class ProcessLink:
    def __init__(self, address: LinkAddress, facts: ProcessFacts, interrupts: Interrupts) -> None:
        self.hub = address.hub
        self._facts = facts
        self._interrupts = interrupts
        self._socket = ProcessSocket(address, facts.node_id)
        self._main = threading.main_thread().ident
        self._outbox = Outbox()
        self._sender = Sender(self._outbox, self._socket)
        self._granted = Granted()
        # Guards which member is the current one: an interrupt is asked for, and a process ended, under it.
        self._lock = threading.Lock()
        self._started: Started | None = None
        self._said_started = threading.Event()
        self._withdrawn: OrderedDict[Key, None] = OrderedDict()
        # Of the current attempt; overdue: it was asked to end for its timeout.
        self._began_at = 0.0
        self._overdue = False
        self._closing = False
        self._needed_until = 0.0
        self._busy_until = 0.0
        self._sleeps = False
        self._next_tick = 0.0
        self._heard_at = clock()
        self._tell_after = TELL_AGAIN_SECONDS[0]
        self._attach()
        self._thread = threading.Thread(target=self._run, name="task-link", daemon=True)
        self._thread.start()

    def begin(self, member: Member, ray_task_id: str | None) -> Begin:
        """Make it the current one, if it may begin."""
        if self._granted.left() <= 0:
            self._needed_until = clock() + IDLE_SECONDS + FIRST_GRANT_SECONDS
            self._next_tick = 0.0
            self._socket.wake()
            if not self._granted.wait(FIRST_GRANT_SECONDS):
                return "NO_AUTHORITY"
        self._said_started.clear()
        with self._lock:
            if (member.execution, member.fence) in self._withdrawn:
                return "WITHDRAWN"
            self._started = Started(member.execution, member.fence, ray_task_id)
            self._began_at, self._overdue = clock(), False
            self._interrupts.current = member
        self._outbox.post(self._started)
        if self._sleeps or member.timeout is not None:
            self._socket.wake()
        if member.timeout is not None:
            self._said_started.wait(SAY_STARTED_SECONDS)
        return "BEGUN"

    def end(self, member: Member, outcome: bytes | None) -> None:
        """It has ended: nothing can interrupt it any more. `outcome` is pushed if it isn't too big for that."""
        with self._lock:
            started, self._started = self._started, None
            self._interrupts.current = None
        self._needed_until = clock() + IDLE_SECONDS
        if started is not None and self._outbox.take_back(started):
            self._busy_until = clock() + BUSY_SECONDS
            return
        self._outbox.finish(member.execution, member.fence)
        if outcome is not None and len(outcome) <= MAX_PUSHED_RESULT:
            self._outbox.post(Result(member.execution, member.fence, outcome))
        self._socket.wake()

    def report_of(self, execution: str, fence: int) -> AttemptReport:
        return AttemptReport(self._outbox, self._socket, execution, fence)

    def close(self) -> None:
        """Between two attempts."""
        self._closing = True
        self._socket.wake()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                for frame in self._socket.receive(self._patience()):
                    self._take(frame)
                self._watch_authority()
                self._watch_timeout()
                self._tell()
                self._tick()
                self._send()
            self._send()
            self._socket.close(FLUSH_SECONDS)
        except Exception:
            # Without this thread nothing would stop an attempt whose server has lost its authority.
            self._leave(EXIT_BROKEN, f"the task link failed: {traceback.format_exc()}")

    def _patience(self) -> float | None:
        """Until there is something to do by itself."""
        now = clock()
        # First this, then a look at what was posted: whoever posts does it the other way round.
        self._sleeps = now >= self._busy_until
        if self._sleeps and self._outbox.has_urgent:
            return 0.0
        waits: list[float] = [] if self._sleeps else [BUSY_LOOK_SECONDS]
        member = self._interrupts.current
        if member is not None:
            waits.append(self._granted.left())
            if member.must_be_told:
                waits.append(self._tell_after)
            if member.timeout is not None:
                due = member.timeout.kill_seconds if self._overdue else member.timeout.seconds
                waits.append(due - (now - self._began_at))
        if self._sender.is_stuck:
            waits.append(RESEND_SECONDS)
        progress = self._outbox.progress_due()
        if progress is not None:
            waits.append(progress)
        if member is not None or now < self._needed_until:
            waits.append(self._next_tick - now)
        return max(0.0, min(waits)) if waits else None

    def _take(self, frame: bytes) -> None:
        try:
            messages = decode_from_hub(frame)
        except UNREADABLE:
            # Nothing that can be read is lost with it, and whoever sent it isn't the hub.
            return
        self._heard_at = clock()
        for message in messages:
            self._handle(message)

    def _handle(self, message: FromHub) -> None:
        match message:
            case Authority():
                self._granted.take(message.tick, message.seconds)
            case Acknowledged():
                self._outbox.taken(message.received)
            case Withdraw():
                self._withdraw((message.execution, message.fence))
            case Cancel(hard=True):
                self._leave_for((message.execution, message.fence))
            case Cancel():
                with self._lock:
                    member = self._current((message.execution, message.fence))
                    if member is not None:
                        member.ask("cancel")
                        self._tell_after = TELL_AGAIN_SECONDS[0]

    def _current(self, key: Key) -> Member | None:
        member = self._interrupts.current
        return member if member is not None and (member.execution, member.fence) == key else None

    def _tell(self) -> None:
        """Under the lock: by then it is the current one, or it is nobody's business any more."""
        with self._lock:
            member = self._interrupts.current
            if member is not None and member.must_be_told and self._main is not None:
                signal.pthread_kill(self._main, SIGNAL)
                self._tell_after = min(2 * self._tell_after, TELL_AGAIN_SECONDS[1])

    def _withdraw(self, key: Key) -> None:
        with self._lock:
            if self._current(key) is None:
                self._withdrawn[key] = None
                if len(self._withdrawn) > MAX_WITHDRAWN:
                    self._withdrawn.popitem(last=False)

    def _leave_for(self, key: Key) -> None:
        # The lock is kept to the end: what has ended stays ended, and the next attempt doesn't begin.
        with self._lock:
            if self._current(key) is None:
                return
            self._outbox.post(Leaving(*key, "cancel"))
            self._leave(EXIT_CANCELLED, f"execution {key[0]} (fence {key[1]}) is killed after a cancel")

    def _watch_authority(self) -> None:
        if self._interrupts.current is None or self._granted.left() > 0:
            return
        with self._lock:
            member = self._interrupts.current
            if member is not None and self._granted.left() <= 0:
                why = f"the server's authority over execution {member.execution} (fence {member.fence}) has run out"
                self._leave(EXIT_AUTHORITY, f"{why}: this process stops itself")

    def _watch_timeout(self) -> None:
        member = self._interrupts.current
        if member is None or member.timeout is None:
            return
        # The lock is kept to the end, as above.
        with self._lock:
            if self._interrupts.current is not member:
                return
            ran = clock() - self._began_at
            if ran >= member.timeout.kill_seconds:
                # It would come before this thread is done where that had to wait for its turn, and spares children.
                arm_last_resort(LAST_RESORT_SECONDS)
                self._outbox.post(Leaving(member.execution, member.fence, "timeout"))
                why = member.timeout.killed().message
                self._leave(EXIT_TIMEOUT, f"execution {member.execution} (fence {member.fence}): {why}")
            if ran >= member.timeout.seconds and not self._overdue:
                self._overdue = True
                member.ask("timeout")
                self._tell_after = TELL_AGAIN_SECONDS[0]

    def _leave(self, status: int, why: str) -> NoReturn:
        try:
            self._send()
            self._socket.close(FLUSH_SECONDS)
        finally:
            leave(status, why)

    def _attach(self) -> None:
        self._outbox.post(Attached(PROTOCOL, self._facts.worker_id, self._facts.node_id, os.getpid()))

    def _tick(self) -> None:
        now = clock()
        working = self._interrupts.current is not None
        if not working and now >= self._needed_until:
            self._heard_at = now
            return
        if now < self._next_tick:
            return
        if now - self._heard_at > SILENT_SECONDS:
            self._heard_at = now
            self._attach()
            if self._started is not None:
                self._outbox.post(self._started)
        self._outbox.post(Tick(now))
        self._next_tick = now + min(TICK_SECONDS, max(MIN_TICK_SECONDS, self._granted.left() / 4))

    def _send(self) -> None:
        for sent in self._sender.send():
            if any(message is self._started for message in sent):
                self._said_started.set()
