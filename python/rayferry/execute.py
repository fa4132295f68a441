"""Runs one attempt in this process, as named steps, and says how it ended. Knows nothing of Ray.

Used by the Ray wrapper and by the runner without Ray. Never raises: whatever the task does is in the outcome.
"""

from __future__ import annotations

import inspect
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from rayferry.errors import Again, PayloadError, Snooze, SoftTimeout
from rayferry.member import Member
from rayferry.outcome import Again as AgainAsked
from rayferry.outcome import ErrorInfo, Outcome, class_name, failed
from rayferry.payload import bind, decode_input, encode_result
from rayferry.registry import find_function, trim_traceback
from rayferry.seconds import is_seconds
from rayferry.text import clean

_PACKAGE = str(Path(__file__).parent) + os.sep
_MAX_MESSAGE = 8_192


def execute(module: str, name: str, content_type: str, data: bytes, max_result_bytes: int, member: Member) -> Outcome:
    started = time.monotonic()
    try:
        # It may import the task's module: that is the task's code too.
        function = member.run(find_function, module, name)
        bound = bind(function, name, decode_input(content_type, data))
        if inspect.iscoroutinefunction(function):
            value = member.run_async(function(*bound.args, **bound.kwargs))
        else:
            value = member.run(function, *bound.args, **bound.kwargs)
        result_type, encoded = encode_result(value, max_result_bytes)
    except PayloadError as error:
        outcome = failed(error.code, clean(error.message[:_MAX_MESSAGE]))
    except KeyboardInterrupt as error:
        outcome = _raised(error, "INTERRUPTED")
    except SoftTimeout as error:
        outcome = _timed_out(error) if member.was_told_of_timeout else _raised(error, "FAILED")
    except Again as error:
        outcome = _asked(error)
    except BaseException as error:
        # SystemExit and CancelledError too: a task that calls sys.exit() must not end its process.
        outcome = _raised(error, "FAILED")
    else:
        outcome = Outcome(ending="SUCCEEDED", content_type=result_type, value=encoded)
    return _stamped(outcome, time.monotonic() - started)


def _timed_out(error: SoftTimeout) -> Outcome:
    outcome = _raised(error, "TIMED_OUT")
    assert outcome.error is not None
    return msgspec.structs.replace(outcome, error=msgspec.structs.replace(outcome.error, code="Timeout"))


def _asked(error: Again) -> Outcome:
    """The task says itself whether it is run again. Checked once more: it may have a class of its own, or have set
    what it likes, and what isn't a time would be refused where nobody could say why."""
    retry, after = getattr(error, "retry", None), getattr(error, "after", None)
    seconds = float(after) if is_seconds(after) else None
    if isinstance(error, Snooze) and seconds is not None:
        return msgspec.structs.replace(_raised(error, "SNOOZED"), again=AgainAsked(True, seconds))
    again = None if retry is None or isinstance(error, Snooze) else AgainAsked(bool(retry), seconds)
    return msgspec.structs.replace(_raised(error, "FAILED"), again=again)


def _raised(error: BaseException, ending: Any) -> Outcome:
    kind = type(error)
    bases = [class_name(base) for base in kind.__mro__[1:] if base is not object]
    info = ErrorInfo("TaskError", class_name(kind), bases, _message(error), _traceback(error))
    return Outcome(ending=ending, error=info)


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:
        text = f"<str() of the error failed: {type(broken).__name__}>"
    return clean(text[:_MAX_MESSAGE])


def _traceback(error: BaseException) -> str | None:
    try:
        return clean(trim_traceback(error, lambda file: not file.startswith(_PACKAGE) and "/asyncio/" not in file))
    except Exception:
        return None


def _stamped(outcome: Outcome, run_seconds: float) -> Outcome:
    return msgspec.structs.replace(outcome, pid=os.getpid(), run_seconds=run_seconds)
