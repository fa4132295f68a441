"""One attempt from bytes to outcome: whatever doesn't fit is an outcome, never an exception."""

import asyncio
import json

import pytest

from rayferry import task
from rayferry.execute import execute
from rayferry.member import Member
from rayferry.payload import JSON


@task(name="execute.broken")
def broken() -> object:
    class Odd:
        def model_dump(self, by_alias):
            raise ValueError("no \0 and no \ud800")

    return {"rows": [Odd()]}


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
