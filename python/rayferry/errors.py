"""Every error that rayferry raises.

RayferryError
├── TaskDefinitionError      a @task that can't be right; raised where it is written
├── PayloadError             becomes the FAILED outcome of an attempt
│   ├── InvalidInput           the arguments don't fit the task, or can't be decoded
│   ├── ResultNotSerializable  the task returned what no payload can carry
│   └── ResultTooLarge         the result is over the limit
├── SoftTimeout              raised inside a task whose time is over: it may clean up, then should end
├── Again                    raised by a task to say itself whether it is run again
│   ├── Retry                  try again
│   ├── NoRetry                don't: it has failed
│   └── Snooze                 run it later; this was no try
├── NoAttempt                `context` was asked for what only an attempt has, outside of one
├── FrameRefused             the other side broke the bridge protocol; answered with `fault`
└── StartError               the process can't start; printed as one fatal line, exit status 3
    └── KeyFileError           a key file is missing, open to others, or not the one that is needed

Codes are stable: programs compare codes, people read messages. A message says what was expected, what came, and what
to do.
"""

from __future__ import annotations

from rayferry.seconds import MAX_SECONDS, is_seconds


class RayferryError(Exception):
    """`code` is stable; `message` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way would call the constructor with the message alone.
        return (_restore, (type(self), self.code, self.message))


class TaskDefinitionError(RayferryError):
    def __init__(self, message: str) -> None:
        super().__init__("TASK_DEFINITION", message)


class PayloadError(RayferryError):
    pass


class InvalidInput(PayloadError):
    def __init__(self, message: str) -> None:
        super().__init__("InvalidInput", message)


class ResultNotSerializable(PayloadError):
    def __init__(self, message: str) -> None:
        super().__init__("ResultNotSerializable", message)


class ResultTooLarge(PayloadError):
    def __init__(self, message: str) -> None:
        super().__init__("ResultTooLarge", message)


class SoftTimeout(RayferryError):
    """Raised in the body of a task when its timeout is over, wherever that stands: catch it to clean up or to return
    what is there, before the grace is over and its process is killed. An async task sees asyncio.CancelledError
    instead, as with asyncio.timeout()."""

    def __init__(self, message: str = "The task ran longer than its timeout.") -> None:
        super().__init__("SoftTimeout", message)


class Again(RayferryError):
    """`retry`: is it to be tried again; `after` how many seconds, None by the task's policy."""

    retry: bool
    after: float | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return (*super().__reduce__(), {"after": self.after})


class Retry(Again):
    """Raised by a task: this attempt failed, try again, whatever the policy says of errors. It uses an attempt: when
    none is left, the execution is FAILED. `after`: in so many seconds; None: as the task's backoff says. Raised `from`
    another error, it keeps that one's traceback. ValueError where `after` is no number of seconds."""

    retry = True

    def __init__(self, after: float | None = None, message: str = "The task asked to be tried again.") -> None:
        super().__init__("Retry", message)
        self.after = None if after is None else _seconds("Retry", after)


class NoRetry(Again):
    """Raised by a task: it has failed, and another attempt wouldn't help. It is FAILED at once."""

    retry = False

    def __init__(self, message: str = "The task asked not to be tried again.") -> None:
        super().__init__("NoRetry", message)


class Snooze(Again):
    """Raised by a task: not now; run it again in so many seconds. It uses no attempt, and may be done for ever.
    ValueError where `seconds` is no number of seconds."""

    retry = True

    def __init__(self, seconds: float, message: str = "The task asked to be run later.") -> None:
        super().__init__("Snooze", message)
        self.after = _seconds("Snooze", seconds)


class NoAttempt(RayferryError):
    def __init__(self, message: str) -> None:
        super().__init__("NO_ATTEMPT", message)


class FrameRefused(RayferryError):
    """Codes: BAD_FRAME, BAD_SEQUENCE, WRONG_EPOCH, NO_SESSION, TOO_LARGE."""


class StartError(RayferryError):
    """Codes: RAY_UNREACHABLE, RAY_VERSION_MISMATCH, RAY_AUTH_FAILED, RAY_START_FAILED, MISSING_PACKAGE, NO_TASKS,
    UNKNOWN_NODE, ENDPOINT_IN_USE, ENDPOINT_TOO_LONG, BAD_ENDPOINT, FOLDER_OPEN, PLAIN_TCP, BAD_ARGUMENT."""


class KeyFileError(StartError):
    """The code is KEY_FILE. Reasons: MISSING, UNREADABLE, MALFORMED, OPEN (others may read it), NOT_SECRET and SECRET
    (public and secret half mixed up), WRONG_ROLE (server and client mixed up), NO_CLIENTS, EXISTS, UNWRITABLE."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__("KEY_FILE", message)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (KeyFileError, (self.reason, self.message))


def _seconds(asked: str, value: object) -> float:
    if is_seconds(value):
        return float(value)
    raise ValueError(f"{asked} expects a number of seconds from 0 to {MAX_SECONDS:,}, got {value!r}.")


def _restore(kind: type[RayferryError], code: str, message: str) -> RayferryError:
    error = kind.__new__(kind)
    RayferryError.__init__(error, code, message)
    return error
