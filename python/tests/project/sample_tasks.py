"""Tasks that the tests run."""

import asyncio
import contextlib
import itertools
import os
import re
import sys
import time
from datetime import datetime
from pathlib import Path

from rayferry import NoRetry, Retry, Snooze, SoftTimeout, task


class OddError(ValueError):
    pass


@task(name="add")
def add(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


@task(name="echo")
def echo(*values, **named):
    return {"values": list(values), "named": named}


@task(name="fail")
def fail(message="no"):
    raise OddError(message)


@task(name="leave")
def leave(status=3):
    sys.exit(status)


@task(name="add_later")
async def add_later(a, b):
    await asyncio.sleep(0.01)
    return a + b


@task(name="bad_result")
def bad_result():
    return {"rows": [1, 2, 3, {"when": object()}]}


@task(name="big")
def big(length):
    return "x" * length


@task(name="when")
def when():
    return datetime(2024, 2, 29)


@task(name="hold")
def hold(started: str, release: str, seconds=60):
    """Marks that it runs, then waits to be let go."""
    Path(started).write_text(str(os.getpid()))
    _wait(release, seconds)
    return "released"


@task(name="hold_async")
async def hold_async(started: str):
    Path(started).write_text(str(os.getpid()))
    await asyncio.sleep(60)


@task(name="stubborn")
def stubborn(started: str, seconds=60):
    """Ignores every interrupt, and marks a timeout's."""
    end = time.monotonic() + seconds
    Path(started).write_text(str(os.getpid()))
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except KeyboardInterrupt:
            continue
        except SoftTimeout:
            Path(started + ".timeout").touch()


@task(name="sleep")
def sleep(started: str, seconds=60):
    """One call that nothing but a real signal ends."""
    Path(started).write_text(str(os.getpid()))
    time.sleep(seconds)


_ENDLESS = re.compile("(a+)+$")
_times = itertools.count(1)


@task(name="hold_when_warm")
def hold_when_warm():
    """Its fifth time in a process takes the interpreter lock at once; by then nobody is woken for a start."""
    if next(_times) >= 5:
        _ENDLESS.match("a" * 60 + "b")


@task(name="hold_interpreter")
def hold_interpreter(started: str):
    """Takes Python's interpreter lock, for ever, and lets no thread run meanwhile."""
    Path(started).write_text(str(os.getpid()))
    re.match("(a+)+$", "a" * 60 + "b")


@task(name="ask")
def ask(what: str):
    if what == "retry":
        raise Retry(2.5, "the printer is warming up")
    raise NoRetry("no such order") if what == "no retry" else Snooze(30, "not open yet")


@task(name="ask_async")
async def ask_async(what: str):
    await asyncio.sleep(0)
    ask(what)


@task(name="beat")
def beat(path: str, seconds=60):
    """Ignores every interrupt, and shows that it lives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(KeyboardInterrupt):
            Path(path).write_text(str(time.monotonic()))
            time.sleep(0.01)


@task(name="swallow")
def swallow(started: str):
    """Takes an interrupt for an answer and returns."""
    try:
        Path(started).write_text(str(os.getpid()))
        time.sleep(0.05)
        _wait(started + ".never", 60)
    except KeyboardInterrupt:
        return "swallowed"


@task(name="change_mind")
def change_mind(started: str):
    try:
        Path(started).write_text(str(os.getpid()))
        _wait(started + ".never", 60)
    except KeyboardInterrupt:
        raise OddError("interrupted") from None


@task(name="crash")
def crash(status=9):
    os._exit(status)


@task(name="where", num_cpus=0)
def where():
    print("printed by a task")
    return {"cwd": os.getcwd(), "file": __file__, "pid": os.getpid()}


@task(name="greedy", num_cpus=2)
def greedy(started: str, release: str):
    Path(started).write_text(str(os.getpid()))
    _wait(release, 60)


def _wait(release, seconds):
    end = time.monotonic() + seconds
    while not Path(release).exists():
        if time.monotonic() > end:
            raise TimeoutError(release)
        time.sleep(0.02)
