"""What Ray says of a task that brought no outcome of its own. A pure function."""

from __future__ import annotations

from ray import exceptions

from rayferry.outcome import Ending, Outcome, failed

_MAX_MESSAGE = 8_192

# In this order: the first that fits counts. Several of Ray's classes inherit from one another.
_KNOWN: tuple[tuple[type[BaseException], Ending, str], ...] = (
    # Of an interrupted task Ray makes a class that is both TaskCancelledError and RayTaskError.
    (exceptions.TaskCancelledError, "CANCELLED", "Cancelled"),
    (exceptions.OutOfMemoryError, "FAILED", "OutOfMemory"),
    (exceptions.WorkerCrashedError, "LOST", "ProcessCrashed"),
    (exceptions.NodeDiedError, "LOST", "NodeLost"),
    # OwnerDied, ObjectFreed, reconstruction, fetch time-outs and so on.
    (exceptions.ObjectLostError, "LOST", "NodeLost"),
    (exceptions.LocalRayletDiedError, "LOST", "NodeLost"),
    (exceptions.RuntimeEnvSetupError, "FAILED", "RuntimeEnvFailed"),
    # The cluster's own troubles, not the task's: no room for objects, a process that couldn't be started.
    (exceptions.ObjectStoreFullError, "LOST", "RayError"),
    (exceptions.OutOfDiskError, "LOST", "RayError"),
    (exceptions.RaySystemError, "LOST", "RayError"),
)

# What becomes of an interrupt of Ray's before a process's first attempt, where Ray was started with SIGINT ignored (in
# the background of a script): Ray defers it, and then calls the handler that there was.
_IGNORED = "'Handlers' object is not callable"


def outcome_of(error: BaseException) -> Outcome:
    cause = getattr(error, "cause", None)
    if isinstance(cause, exceptions.TaskCancelledError):
        # Interrupted in Ray's own lines, before it called the wrapper.
        error = cause
    elif isinstance(cause, TypeError) and str(cause) == _IGNORED:
        return failed("Cancelled", "It was interrupted before it began.", "CANCELLED")
    for kind, ending, code in _KNOWN:
        if isinstance(error, kind):
            return failed(code, _message(error), ending)
    return failed("RayError", _message(error), "FAILED")


def _message(error: BaseException) -> str:
    text = str(error).strip().replace("\0", "\\0")[:_MAX_MESSAGE]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
