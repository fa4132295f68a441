"""Tasks for tests of what follows an attempt that ended. Each counts its attempts in a file."""

import asyncio
import os
import signal
from pathlib import Path

from rayferry import NoRetry, Retry, Snooze, exponential, task


class Trouble(Exception):
    pass


class Busy(Trouble):
    pass


def tries(path: str) -> int:
    """How many times this was called with that path, this one included."""
    with Path(path).open("a") as journal:
        journal.write("x")
    return Path(path).stat().st_size


@task(name="retry.third_time", max_attempts=5, backoff=0.05)
def third_time(path: str) -> int:
    count = tries(path)
    if count < 3:
        raise ValueError(f"not yet: {count}")
    return count


@task(name="retry.by_base", max_attempts=3, backoff=exponential(0.01), retry_on=Trouble)
def by_base(path: str, kind: str) -> int:
    if tries(path) == 1:
        raise {"busy": Busy, "value": ValueError}[kind]("the first time")
    return tries(path)


@task(name="retry.never", max_attempts=3, backoff=0)
def never(path: str) -> None:
    tries(path)
    raise NoRetry("the order was withdrawn")


@task(name="retry.later", max_attempts=2, backoff=3600, never_retry_on=Retry)
def later(path: str) -> str:
    if tries(path) == 1:
        raise Retry(after=0.3)
    return "later"


@task(name="retry.snooze")
def snooze(path: str) -> int:
    if tries(path) < 4:
        raise Snooze(0.05)
    return tries(path)


@task(name="retry.slow_first", max_attempts=2, backoff=0, timeout=0.5)
async def slow_first(path: str) -> str:
    """Only its second attempt ends in time."""
    if tries(path) == 1:
        await asyncio.sleep(60)
    return "in time"


@task(name="retry.killed")
def killed(path: str) -> None:
    tries(path)
    os.kill(os.getpid(), signal.SIGKILL)
