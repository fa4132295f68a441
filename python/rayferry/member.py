"""The attempt that this process runs now, and how it is interrupted: that one alone, and only while its own code runs.

An interrupt is asked for by another thread, which then sends the main thread a real signal, so that time.sleep() and
blocking calls return. The handler raises in the main thread unless

- the signal was meant for an attempt that has ended: what is asked for is kept with the attempt, never in the signal;
- the innermost frame is one of this package's: then the task's code hasn't begun, or has returned, or is inside a call
  of ours that must not be torn. It stays pending, and whoever asked sends the signal again;
- the task's code stands in an import: a module that was torn there, or a library beneath it that can't be loaded twice,
  would be broken for every later attempt in this process. It stays pending until the import is done.

So a body that has returned has returned, and no exception comes up in our own lines or in Ray's. What was asked for
while the task's module was imported comes up before its body begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import FrameType
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from rayferry.errors import SoftTimeout
from rayferry.timeouts import Timeout

# Not SIGINT: Ray blocks that in its processes, and a terminal sends it too. Not SIGUSR1 or 2, where real-time signals
# exist: tasks use those.
SIGNAL: int = getattr(signal, "SIGRTMIN", signal.SIGUSR2 - 7) + 7
_PACKAGE = str(Path(__file__).parent) + os.sep
# The code of every import that isn't served from sys.modules has a frame of this, below what the module itself runs.
_IMPORT = "<frozen importlib._bootstrap>"

P = ParamSpec("P")
T = TypeVar("T")
Interrupt = Literal["cancel", "timeout"]
LogLevel = Literal["debug", "info", "warn", "error"]


class Report(Protocol):
    """Where an attempt's progress and logs go. From any thread; must not block."""

    def progress(self, current: float, total: float | None, message: str | None) -> None: ...

    def log(self, level: LogLevel, text: str) -> None: ...


class Member:
    """One attempt, while this process runs it."""

    def __init__(
        self,
        execution: str,
        fence: int,
        number: int,
        report: Report | None = None,
        timeout: Timeout | None = None,
    ) -> None:
        self.execution = execution
        self.fence = fence
        self.number = number
        self.report = report
        self.timeout = timeout
        # A cancel was asked for, whatever became of it.
        self.cancelled = False
        self._pending: Interrupt | None = None
        self._delivered: Interrupt | None = None
        self._inside = False
        self._task: asyncio.Task[Any] | None = None

    def ask(self, interrupt: Interrupt) -> None:
        """From any thread. A cancel goes before a timeout; a second one of a kind changes nothing."""
        if interrupt == "cancel":
            if not self.cancelled:
                self.cancelled = True
                self._pending = "cancel"
        elif not self.cancelled and self._delivered is None:
            self._pending = "timeout"

    @property
    def was_told_of_timeout(self) -> bool:
        """SoftTimeout was raised in it."""
        return self._delivered == "timeout"

    @property
    def must_be_told(self) -> bool:
        """Something is asked for, and the task's code is there to hear it."""
        return self._pending is not None and self._inside

    def deliver(self, frame: FrameType | None) -> None:
        """In the main thread, by a signal handler: `frame` is what it interrupted."""
        pending = self._pending
        if pending is None or not self._inside or frame is None or frame.f_code.co_filename.startswith(_PACKAGE):
            return
        if self._task is not None and not self._task.done():
            self._pending, self._delivered = None, pending
            # An exception out of the event loop's own lines could break it. So it is told as asyncio tells of Ctrl-C.
            self._task.cancel()
            self._task.get_loop().call_soon_threadsafe(_nothing)
            return
        if _imports(frame):
            return
        self._pending, self._delivered = None, pending
        raise self._exception(pending)

    def deliver_to_loop(self) -> None:
        """From another thread, where the task runs in none that a signal reaches: an async one can be told all the
        same, when it next waits for something."""
        task = self._task
        if task is not None:
            # It has ended meanwhile, and its loop with it.
            with contextlib.suppress(RuntimeError):
                task.get_loop().call_soon_threadsafe(self._deliver_in_loop)

    def _deliver_in_loop(self) -> None:
        task, pending = self._task, self._pending
        if task is not None and pending is not None and not task.done():
            self._pending, self._delivered = None, pending
            task.cancel()

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call code of the task's. Raises what it raises, KeyboardInterrupt where it was cancelled, or SoftTimeout."""
        self._raise_pending()
        self._inside = True
        try:
            return function(*args, **kwargs)
        finally:
            self._inside = False

    def run_async(self, coroutine: Coroutine[Any, Any, T]) -> T:
        returned: list[T] = []
        try:
            self._raise_pending()
        except BaseException:
            coroutine.close()
            raise
        try:
            asyncio.run(self._awaited(coroutine, returned))
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            # What comes after its return, while the loop is closed, can't undo it.
            if not returned:
                if isinstance(error, asyncio.CancelledError) and self._delivered == "cancel":
                    raise self._exception("cancel") from error
                raise
        return returned[0]

    async def _awaited(self, coroutine: Coroutine[Any, Any, T], returned: list[T]) -> None:
        self._task = asyncio.current_task()
        self._inside = True
        try:
            returned.append(await coroutine)
        except asyncio.CancelledError as error:
            if self._delivered == "timeout":
                raise self._exception("timeout") from error
            raise
        finally:
            self._inside = False
            self._task = None

    def _raise_pending(self) -> None:
        """Before code of the task's is called: it isn't begun once an import has kept an interrupt waiting."""
        pending = self._pending
        if pending is not None:
            self._pending, self._delivered = None, pending
            raise self._exception(pending, " Its code hadn't begun: the import of its module took that long.")

    def _exception(self, interrupt: Interrupt, why: str = "") -> BaseException:
        if interrupt == "cancel":
            return KeyboardInterrupt("cancelled")
        return SoftTimeout() if self.timeout is None else SoftTimeout(self.timeout.sentence() + why)


class Interrupts:
    """Which attempt is the current one, and what signals do to it. One for each process."""

    def __init__(self) -> None:
        self.current: Member | None = None
        self._installed = False
        self._previous: Any = signal.default_int_handler
        os.register_at_fork(after_in_child=self._forget)

    def install(self) -> None:
        """Once in a task process, in its main thread. From then on Ray's interrupts do nothing: what has begun is
        cancelled through the link, and they are only for what hasn't, which asks Ray whether it is cancelled. In our
        own lines one would make an attempt look like one that never began, though it may have ended."""
        if self._installed or threading.current_thread() is not threading.main_thread():
            return
        signal.signal(SIGNAL, self._on_signal)
        self._previous = signal.signal(signal.SIGINT, _ignore)
        self._installed = True

    def uninstall(self) -> None:
        if self._installed:
            self._installed = False
            signal.signal(SIGNAL, signal.SIG_DFL)
            signal.signal(signal.SIGINT, self._previous)

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        if self.current is not None:
            self.current.deliver(frame)

    def _forget(self) -> None:
        """In a process that a task forked: it is no attempt, and an interrupt ends it as it ends any other."""
        self.current = None
        self.uninstall()


interrupts = Interrupts()


def _imports(frame: FrameType | None) -> bool:
    """Whether the task's code stands in an import. What called that code is ours, and no business of its."""
    while frame is not None and not frame.f_code.co_filename.startswith(_PACKAGE):
        if frame.f_code.co_filename == _IMPORT:
            return True
        frame = frame.f_back
    return False


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Not SIG_IGN: what a task starts would inherit that, and Ray calls the handler that it finds."""


def _nothing() -> None:
    """Wakes a loop out of its selector."""
