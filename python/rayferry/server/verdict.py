"""From how an attempt ended to what is said of it. A pure function: only here do a cancel and an ending meet."""

from __future__ import annotations

from rayferry.bridge.messages import OutcomeWord
from rayferry.outcome import ErrorInfo, Outcome


def verdict(
    outcome: Outcome, cancel_asked: bool, killed: bool, withdraw_asked: bool = False
) -> tuple[OutcomeWord, ErrorInfo | None]:
    """`killed`: we had its process killed, so that the death of its process was our doing."""
    error = outcome.error
    match outcome.ending:
        case "SUCCEEDED":
            # Also after a cancel: what swallowed the interrupt and returned is recorded as what it did.
            return "SUCCEEDED", None
        case "INTERRUPTED" | "CANCELLED" | "WITHDRAWN" if cancel_asked:
            return "CANCELLED", _cancelled("It was interrupted after a cancel.", error)
        case "LOST" if killed and error is not None and error.code == "ProcessCrashed":
            return "CANCELLED", _cancelled("Its process was killed after a cancel.", error)
        case "INTERRUPTED" | "CANCELLED" | "WITHDRAWN" if withdraw_asked:
            return "LOST", _stopped("It was taken back in the moment in which it began.")
        case "INTERRUPTED":
            return "FAILED", error
        case "CANCELLED":
            message = "Ray says that it was cancelled, but no worker asked for that. Something else on the cluster did."
            return "FAILED", ErrorInfo("RayError", "RayError", [], message, None)
        case "LOST" | "WITHDRAWN":
            return "LOST", error
        case "SNOOZED":
            # Also after a cancel: whoever asked for that knows whether it was the user.
            return "SNOOZED", error
        case _:
            return "FAILED", error


def _cancelled(message: str, error: ErrorInfo | None) -> ErrorInfo:
    # Where it was interrupted is worth reading.
    return ErrorInfo("Cancelled", "Cancelled", [], message, error.traceback if error else None)


def _stopped(message: str) -> ErrorInfo:
    return ErrorInfo("ServerStopped", "ServerStopped", [], message, None)
