"""The server's side of the task link: one thread that owns the socket, and knows which process runs which attempt.

Every public method may be called from any thread, and none blocks. What an attempt says goes to its Listener, in the
hub's thread.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rayferry.log import Log as WriteLog
from rayferry.member import LogLevel
from rayferry.outcome import Outcome, decode_outcome
from rayferry.tasklink.messages import (
    PROTOCOL,
    UNREADABLE,
    Acknowledged,
    Attached,
    Authority,
    Cancel,
    Key,
    Leaving,
    LeavingFor,
    Log,
    Message,
    Progress,
    Result,
    Started,
    Tick,
    Withdraw,
    decode_from_process,
    encode_address,
    encode_messages,
)
from rayferry.tasklink.socket import HubSocket

# One that says nothing for so long, though each that has work says something each second, is forgotten.
FORGET_SECONDS = 600.0
SWEEP_SECONDS = 60.0
# What an attempt logged may come after its end, which nothing waits for.
LATE_LOG_SECONDS = 2.0


class Process:
    """A task process, as far as this hub has heard of it."""

    def __init__(self, peer: bytes, attached: Attached, now: float) -> None:
        self.peer = peer
        self.worker_id = attached.worker_id
        self.node_id = attached.node_id
        self.pid = attached.pid
        self.heard_at = now
        # Of progress and log: what the process may have under way is counted by it.
        self.received = 0
        # It couldn't be told something: what it said before is still heard, but it has to attach again to be answered.
        self.lost = False


class Listener(Protocol):
    """What a runner hears of one attempt, in the hub's thread. May raise: that is logged, and nothing else is lost."""

    def begun(self, process: Process, ray_task_id: str | None) -> None:
        """Its process said so. Once for each process that does."""

    def progress(self, current: float, total: float | None, message: str | None) -> None: ...

    def log(self, level: LogLevel, text: str, dropped: int) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...

    def leaving(self, why: LeavingFor) -> None:
        """Its process ends now."""


class _Expected:
    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.process: Process | None = None
        self.over = False


class TaskHub:
    def __init__(self, log: WriteLog, *, ipc: Path | None, tcp_host: str | None, node_id: str | None) -> None:
        self._log = log
        self._socket = HubSocket(ipc, tcp_host, node_id)
        # For the arguments of every task; made once.
        self.address = encode_address(self._socket.address)
        self._expected: dict[Key, _Expected] = {}
        self._over: deque[tuple[float, Key]] = deque()
        # Also for processes that attach later: they have no authority, and so begin nothing, before they are told.
        self._withdrawn: dict[Key, None] = {}
        self._to_withdraw: list[Message] = []
        self._processes: dict[bytes, Process] = {}
        self._granted_until: float | None = None
        self._orders: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._next_sweep = 0.0
        self._complained: set[bytes] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="task-hub", daemon=True)
        self._thread.start()

    def expect(self, execution: str, fence: int, listener: Listener) -> None:
        """Before the attempt is submitted."""
        self._expected[(execution, fence)] = _Expected(listener)

    def forget(self, execution: str, fence: int) -> None:
        """It has ended: of what its process still says of it only the last logs are heard."""
        expected = self._expected.get((execution, fence))
        if expected is not None:
            expected.over = True
            # Nobody is woken for it: one that works is heard of each second.
            self._over.append((time.monotonic(), (execution, fence)))

    def grant(self, seconds: float) -> None:
        """Attempts may go on for so long from now."""
        self._granted_until = time.monotonic() + seconds

    @property
    def granted(self) -> bool:
        """Whether there ever was a grant."""
        return self._granted_until is not None

    def cancel(self, execution: str, fence: int, hard: bool = False) -> None:
        """Interrupt it, if it has begun and goes on; `hard`: end its process."""
        self._tell((execution, fence), Cancel(execution, fence, hard))

    def withdraw(self, execution: str, fence: int) -> None:
        """No process begins it from now on; one that has begun it, and hasn't said so yet, goes on and says so."""
        key = (execution, fence)

        def order() -> None:
            expected = self._expected.get(key)
            if expected is None or expected.over or expected.process is not None:
                return
            self._withdrawn[key] = None
            self._to_withdraw.append(Withdraw(*key))

        self._order(order)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it in the hub's thread."""
        at = time.monotonic() + seconds
        self._order(lambda: heapq.heappush(self._timers, (at, next(self._number), call)))

    def close(self) -> None:
        self._closing = True
        self._socket.wake()
        self._thread.join()

    def _tell(self, key: Key, message: Message) -> None:
        def order() -> None:
            expected = self._expected.get(key)
            if expected is not None and expected.process is not None and not expected.over:
                self._send(expected.process, [message])

        self._order(order)

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        self._socket.wake()

    def _run(self) -> None:
        while not self._closing:
            frames = self._socket.receive(self._patience())
            now = time.monotonic()
            for peer, frame in frames:
                self._take(peer, frame, now)
            while self._orders:
                self._guarded(self._orders.popleft())
            while self._timers and self._timers[0][0] <= time.monotonic():
                self._guarded(heapq.heappop(self._timers)[2])
            self._send_withdrawals()
            self._sweep(now)
        self._socket.close()

    def _patience(self) -> float:
        now = time.monotonic()
        return min(SWEEP_SECONDS, self._timers[0][0] - now) if self._timers else SWEEP_SECONDS

    def _take(self, peer: bytes, frame: bytes, now: float) -> None:
        try:
            messages = decode_from_process(frame)
        except UNREADABLE as error:
            self._complain(peer, f"it can't be read: {error}")
            return
        process = self._processes.get(peer)
        answers: list[Message] = []
        loose = 0
        for message in messages:
            if isinstance(message, Attached):
                process = self._attach(peer, message, now)
                answers += [Withdraw(*key) for key in self._withdrawn]
                loose = 0
            elif process is None:
                # It was forgotten, or its `attached` was lost. It says that again when it hears nothing.
                return
            elif isinstance(message, Tick):
                answers.append(self._authority(message))
            else:
                loose += isinstance(message, Progress | Log)
                self._guarded(self._dispatch, process, message)
        if process is None:
            return
        process.heard_at = now
        if loose:
            process.received += loose
            answers.append(Acknowledged(process.received))
        if answers and not process.lost:
            self._send(process, answers)

    def _attach(self, peer: bytes, message: Attached, now: float) -> Process | None:
        if message.protocol != PROTOCOL:
            self._complain(peer, f"it speaks version {message.protocol} of the task link, this server {PROTOCOL}")
            return None
        process = self._processes.get(peer)
        if process is None or process.lost:
            process = self._processes[peer] = Process(peer, message, now)
        process.received = 0
        return process

    def _authority(self, tick: Tick) -> Authority:
        until = self._granted_until
        return Authority(tick.tick, 0.0 if until is None else max(0.0, until - time.monotonic()))

    def _dispatch(self, process: Process, message: Started | Progress | Log | Result | Leaving) -> None:
        expected = self._expected.get((message.execution, message.fence))
        if expected is None or (expected.over and not isinstance(message, Log)):
            return
        listener = expected.listener
        match message:
            case Started():
                # Said again after each `attached`.
                if expected.process is not process:
                    expected.process = process
                    listener.begun(process, message.ray_task_id)
            case Progress():
                listener.progress(message.current, message.total, message.message)
            case Log():
                listener.log(message.level, message.text, message.dropped)
            case Result():
                listener.ended(decode_outcome(message.outcome))
            case Leaving():
                listener.leaving(message.why)

    def _send_withdrawals(self) -> None:
        messages, self._to_withdraw = self._to_withdraw, []
        if messages:
            for process in self._processes.values():
                if not process.lost:
                    self._send(process, messages)

    def _send(self, process: Process, messages: list[Message]) -> None:
        if not self._socket.send(process.peer, encode_messages(messages)):
            # Gone, or it takes nothing. Its last words may lie behind what was just answered, so it isn't forgotten
            # yet; Ray says what became of what it ran.
            process.lost = True

    def _guarded(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception as error:
            # A runner's own fault, or a result that can't be read: every other attempt goes on.
            self._log("error", "The task hub couldn't do something.", reason=f"{type(error).__name__}: {error}")

    def _complain(self, peer: bytes, reason: str) -> None:
        """Once for each peer."""
        if peer not in self._complained and len(self._complained) < 1_000:
            self._complained.add(peer)
            self._log("warn", "Ignored what a task process said.", reason=reason)

    def _sweep(self, now: float) -> None:
        while self._over and now - self._over[0][0] > LATE_LOG_SECONDS:
            key = self._over.popleft()[1]
            self._expected.pop(key, None)
            self._withdrawn.pop(key, None)
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for peer, process in list(self._processes.items()):
            if now - process.heard_at > FORGET_SECONDS:
                del self._processes[peer]
        self._complained.clear()
