"""Every error that rayferry raises.

RayferryError
├── TaskDefinitionError      a @task that can't be right; raised where it is written
├── PayloadError             becomes the FAILED outcome of an attempt
│   ├── InvalidInput           the arguments don't fit the task, or can't be decoded
│   ├── ResultNotSerializable  the task returned what no payload can carry
│   └── ResultTooLarge         the result is over the limit
├── SoftTimeout              raised inside a task whose time is over: it may clean up, then should end
├── NoAttempt                `context` was asked for what only an attempt has, outside of one
├── FrameRefused             the other side broke the bridge protocol; answered with `fault`
└── StartError               the process can't start; printed as one fatal line, exit status 3
    └── KeyFileError           a key file is missing, open to others, or not the one that is needed

Codes are stable: programs compare codes, people read messages. A message says what was expected, what came, and what
to do.
"""


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
    """Raised in the body of a task when its soft timeout is over, wherever that stands: catch it to clean up or to
    return what is there. An async task sees asyncio.CancelledError instead, as with asyncio.timeout()."""

    def __init__(self, message: str = "The task's soft timeout is over.") -> None:
        super().__init__("SoftTimeout", message)


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


def _restore(kind: type[RayferryError], code: str, message: str) -> RayferryError:
    error = kind.__new__(kind)
    RayferryError.__init__(error, code, message)
    return error
