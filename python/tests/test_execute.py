"""One attempt from bytes to outcome: whatever doesn't fit is an outcome, never an exception."""

import asyncio
import json
import pickle

import pytest

from rayferry import NoRetry, Retry, Snooze, task
from rayferry.errors import Again
from rayferry.execute import execute
from rayferry.member import Member
from rayferry.outcome import decode_outcome, encode_outcome
from rayferry.payload import JSON


@task(name="execute.broken")
def broken() -> object:
    class Odd:
        def model_dump(self, by_alias):
            raise ValueError("no \0 and no \ud800")

    return {"rows": [Odd()]}


def with_after(error: Again, after: object) -> Again:
    error.after = after  # type: ignore[assignment]
    return error


class Lazy(Retry):
    """Of somebody who knows better."""

    retry = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        Exception.__init__(self, "lazy")
        self.message = "lazy"


ASKS = {
    "retry never": lambda: with_after(Retry(), float("nan")),
    "retry soon": lambda: with_after(Retry(), "soon"),
    "retry in an age": lambda: with_after(Retry(), 10**400),
    "snooze for ever": lambda: with_after(Snooze(1), float("inf")),
    "lazy": Lazy,
    "retry": lambda: Retry(),
    "retry later": lambda: Retry(2.5, "the printer is warming up"),
    "no retry": lambda: NoRetry("there is no such order"),
    "snooze": lambda: Snooze(0, message="not open yet"),
    "half a second ago": lambda: Retry(-0.5),
}


@task(name="execute.asks")
def asks(what: str) -> None:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ASKS[what]() from error


@task(name="execute.asks_async")
async def asks_async(what: str) -> None:
    await asyncio.sleep(0)
    asks(what)


@task(name="execute.doubled")
async def doubled(n: int, /, *more: bytes) -> list:
    await asyncio.sleep(0)
    return [n * 2, len(more)]


def run(name, arguments):
    return execute(__name__, name, JSON, json.dumps(arguments).encode(), 1_000, Member("e", 1, 1))


def test_an_async_task_is_called_with_its_arguments():
    outcome = run("execute.doubled", [4])
    assert (outcome.ending, outcome.value) == ("SUCCEEDED", b"[8,0]")


@pytest.mark.parametrize("arguments", [[1, "text"], {"n": 1}, [], {"m": 1}])
def test_arguments_that_do_not_fit_are_an_outcome(arguments):
    outcome = run("execute.doubled", arguments)
    assert (outcome.ending, outcome.error.code) == ("FAILED", "InvalidInput")


def test_what_a_model_says_when_it_fails_is_storable_text():
    outcome = run("execute.broken", {})
    assert outcome.error.code == "ResultNotSerializable"
    assert outcome.error.message == r"result.rows[0] can't be encoded: ValueError: no \0 and no \ud800"


@pytest.mark.parametrize("name", ["execute.asks", "execute.asks_async"])
@pytest.mark.parametrize(
    ("what", "ending", "retry", "after", "type_", "message"),
    [
        ("retry", "FAILED", True, None, "Retry", "The task asked to be tried again."),
        ("retry later", "FAILED", True, 2.5, "Retry", "the printer is warming up"),
        ("no retry", "FAILED", False, None, "NoRetry", "there is no such order"),
        ("snooze", "SNOOZED", True, 0.0, "Snooze", "not open yet"),
    ],
)
def test_what_the_task_asks_for_by_raising_is_in_the_outcome(name, what, ending, retry, after, type_, message):
    outcome = run(name, [what])
    assert (outcome.ending, outcome.again.retry, outcome.again.after_seconds) == (ending, retry, after)
    assert (outcome.error.code, outcome.error.type) == ("TaskError", f"rayferry.errors.{type_}")
    assert outcome.error.message == message
    # From where it was raised, and from what.
    assert outcome.error.traceback.index("KeyError: 'the cause'") < outcome.error.traceback.index(message)


@pytest.mark.parametrize(
    ("what", "again"),
    [
        ("retry never", (True, None)),
        ("retry soon", (True, None)),
        ("retry in an age", (True, None)),
        ("lazy", (True, None)),
        ("snooze for ever", None),
    ],
)
def test_a_time_that_is_none_asks_for_nothing(what, again):
    outcome = run("execute.asks", [what])
    assert outcome.ending == "FAILED"
    assert (outcome.again and (outcome.again.retry, outcome.again.after_seconds)) == again
    assert outcome.again is None or outcome.again.retry is True
    decode_outcome(encode_outcome(outcome))


def test_what_is_asked_for_wrongly_is_an_error_like_others():
    outcome = run("execute.asks", ["half a second ago"])
    assert (outcome.ending, outcome.again, outcome.error.type) == ("FAILED", None, "ValueError")
    assert outcome.error.message == "Retry expects a number of seconds from 0 to 1,000,000,000, got -0.5."


@pytest.mark.parametrize("error", [ASKS[what]() for what in ("retry later", "no retry", "snooze")])
def test_what_a_task_asks_for_survives_a_pickle(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.after) == (type(error), error.message, error.after)
    assert isinstance(again, Again)
