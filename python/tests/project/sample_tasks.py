"""Tasks that the tests run."""

import asyncio
import contextlib
import os
import sys
import time
from datetime import datetime
from pathlib import Path

from rayferry import task


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
    """Ignores every interrupt."""
    end = time.monotonic() + seconds
    Path(started).write_text(str(os.getpid()))
    while time.monotonic() < end:
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(0.05)


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
