"""What runners report, from any thread, on its way to the server's loop. Logs are bounded, and counted when dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import msgspec

from rayferry.bridge.fields import LogLevel
from rayferry.outcome import Outcome, Place
from rayferry.server.held import Held

# Pieces of log that wait for the loop.
MAX_LOGS = 2_000
MAX_LOG_TEXT = 16_384
MAX_PROGRESS_TEXT = 1_000


class StartedReport(msgspec.Struct):
    held: Held
    place: Place
    at: float


class LogReport(msgspec.Struct):
    held: Held
    level: LogLevel
    text: str
    at: float


class DoneReport(msgspec.Struct):
    held: Held
    outcome: Outcome
    at: float


Report = StartedReport | DoneReport
T = TypeVar("T")


class Reports:
    def __init__(self, clock: Callable[[], float], wake: Callable[[], None]) -> None:
        self.clock = clock
        self.wake = wake
        # deque.append and popleft are atomic: no lock between runners' threads and the loop.
        self._facts: deque[Report] = deque()
        self._logs: deque[LogReport] = deque()
        self._progress: dict[Held, tuple[float, float | None, str | None]] = {}

    def of(self, held: Held) -> AttemptReports:
        return AttemptReports(self, held)

    def add(self, report: Report) -> None:
        self._facts.append(report)
        self.wake()

    def add_log(self, report: LogReport) -> None:
        if len(self._logs) >= MAX_LOGS:
            report.held.logs_dropped += 1
            return
        self._logs.append(report)
        self.wake()

    def set_progress(self, held: Held, current: float, total: float | None, message: str | None) -> None:
        self._progress[held] = (current, total, message)
        self.wake()

    def facts(self) -> list[Report]:
        return _drain(self._facts)

    def logs(self) -> list[LogReport]:
        return _drain(self._logs)

    def progress(self) -> list[tuple[Held, tuple[float, float | None, str | None]]]:
        """The newest of each."""
        found = []
        while self._progress:
            found.append(self._progress.popitem())
        return found


class AttemptReports(msgspec.Struct, eq=False):
    """The events of one attempt, as the runner's protocol has them."""

    _reports: Reports
    _held: Held

    def started(self, place: Place) -> None:
        self._reports.add(StartedReport(self._held, place, self._reports.clock()))

    def progress(self, current: float, total: float | None, message: str | None) -> None:
        text = message if message is None else message[:MAX_PROGRESS_TEXT]
        self._reports.set_progress(self._held, current, total, text)

    def log(self, level: LogLevel, text: str) -> None:
        self._reports.add_log(LogReport(self._held, level, text[:MAX_LOG_TEXT], self._reports.clock()))

    def done(self, outcome: Outcome, age_seconds: float = 0.0) -> None:
        self._reports.add(DoneReport(self._held, outcome, self._reports.clock() - age_seconds))


def _drain(queue: deque[T]) -> list[T]:
    found = []
    while queue:
        found.append(queue.popleft())
    return found
