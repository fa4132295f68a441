"""From how an attempt ended to what is said of it. A pure function: only here do an ending and what was asked meet."""

from __future__ import annotations

from rayferry.bridge.fields import OutcomeWord
from rayferry.outcome import ErrorInfo, Outcome


def verdict(
    outcome: Outcome,
    cancel_asked: bool,
    killed: bool,
    withdraw_asked: bool = False,
    overran: ErrorInfo | None = None,
) -> tuple[OutcomeWord, ErrorInfo | None]:
    """`killed`: we had its process killed, so that the death of its process was our doing. `overran`: its timeout and
    grace were over, so that the death was the timeout's, which is what this says."""
    error = outcome.error
    match outcome.ending:
        case "SUCCEEDED":
            # Also after a cancel: what swallowed the interrupt and returned is recorded as what it did.
            return "SUCCEEDED", None
        case "INTERRUPTED" | "CANCELLED" | "WITHDRAWN" | "TIMED_OUT" if cancel_asked:
            return "CANCELLED", _cancelled("It was interrupted after a cancel.", error)
        case "LOST" if cancel_asked and (killed or overran) and _is_crash(error):
            return "CANCELLED", _cancelled("Its process was killed after a cancel.", error)
        case "LOST" if overran and _is_crash(error):
            return "TIMED_OUT", overran
        case "CANCELLED" if overran and killed:
            # How Ray may call what we had it kill.
            return "TIMED_OUT", overran
        case "INTERRUPTED" | "CANCELLED" | "WITHDRAWN" if withdraw_asked:
            return "LOST", _stopped("It was taken back in the moment in which it began.")
        case "INTERRUPTED":
            return "FAILED", error
        case "CANCELLED":
            message = "Ray says that it was cancelled, but no worker asked for that. Something else on the cluster did."
            return "FAILED", ErrorInfo("RayError", "RayError", [], message, None)
        case "LOST" | "WITHDRAWN":
            return "LOST", error
        case "TIMED_OUT" | "SNOOZED":
            # Snoozed also after a cancel: whoever asked for that knows whether it was the user.
            return outcome.ending, error
        case _:
            return "FAILED", error


def _is_crash(error: ErrorInfo | None) -> bool:
    return error is not None and error.code == "ProcessCrashed"


def _cancelled(message: str, error: ErrorInfo | None) -> ErrorInfo:
    # Where it was interrupted is worth reading.
    return ErrorInfo("Cancelled", "Cancelled", [], message, error.traceback if error else None)


def _stopped(message: str) -> ErrorInfo:
    return ErrorInfo("ServerStopped", "ServerStopped", [], message, None)
