"""What the runner reports of attempts, passed on to the sessions that hold them."""

from __future__ import annotations

from collections.abc import Callable

from rayferry.bridge.from_server import LogMessage, Progress
from rayferry.server.attempts import Attempts
from rayferry.server.reports import DoneReport, LogReport, Reports
from rayferry.server.sessions import Sessions


def pass_on(reports: Reports, attempts: Attempts, sessions: Sessions, clock: Callable[[], float]) -> None:
    """Ends and starts first, and never lost; progress and logs as far as there is room for them."""
    for report in reports.facts():
        held = report.held
        if isinstance(report, DoneReport):
            said = attempts.end(held, report.outcome, report.at)
        else:
            said = attempts.begin(held, report.place, report.at)
        session = sessions.of(held.holder)
        if session is not None and said is not None:
            session.post(said)
    for held, (current, total, message) in reports.progress():
        session = sessions.of(held.holder)
        if session is not None:
            session.try_say(Progress(held.execution, held.fence, current, total, message))
    for log in reports.logs():
        _pass_on_log(log, sessions, max(0.0, clock() - log.at))


def _pass_on_log(log: LogReport, sessions: Sessions, age: float) -> None:
    held = log.held
    session = sessions.of(held.holder)
    said = LogMessage(held.execution, held.fence, log.level, log.text, age, held.logs_dropped)
    if session is not None and session.try_say(said):
        held.logs_dropped = 0
    else:
        held.logs_dropped += 1
