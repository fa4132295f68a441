"""Tasks for tests of the worker."""

import ctypes
import os
import secrets
import time
from pathlib import Path

from rayferry import context, task


@task(name="sample.add")
def add(a: int, b: int = 2) -> int:
    return a + b


@task(name="sample.echo")
async def echo(value: object) -> object:
    return value


@task(name="sample.fail")
def fail(message: str) -> None:
    raise ValueError(message)


@task(name="sample.sleep")
def sleep(seconds: float) -> str:
    """In short naps, so that an interrupt comes through."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    return "slept"


@task(name="sample.wait_for_file")
def wait_for_file(path: str) -> int:
    """Holds until the test makes the file; then the process id."""
    while not Path(path).exists():
        time.sleep(0.01)
    return os.getpid()


@task(name="sample.note")
def note(path: str, line: str) -> None:
    """A journal that Postgres knows nothing of."""
    with Path(path).open("a") as journal:
        journal.write(line + "\n")


@task(name="sample.die")
def die() -> None:
    os._exit(3)


@task(name="sample.other_queue", queue="other")
def other_queue() -> str:
    return "other"


@task(name="sample.bytes")
def some_bytes(size: int) -> bytes:
    return b"x" * size


@task(name="sample.journal")
def journal(path: str, line: str, seconds: float) -> str:
    """Says in a journal when it begins and when it ends; naps between."""
    note(path, f"begin {line} {os.getpid()}")
    sleep(seconds)
    note(path, f"end {line} {os.getpid()}")
    return line


@task(name="sample.hold_lock")
def hold_lock(seconds: int) -> None:
    """As a C extension that keeps Python's interpreter lock: no other thread of the process runs."""
    ctypes.PyDLL(None).sleep(seconds)


@task(name="sample.pulse")
def pulse(path: str, line: str, seconds: float) -> str:
    """A journal with a sign of life each 0.1 s: two lives of one execution can be told apart, and seen to overlap."""
    life = secrets.token_hex(4)
    until = time.monotonic() + seconds
    note(path, f"begin {line} {life} {time.monotonic():.3f}")
    while time.monotonic() < until:
        note(path, f"beat {line} {life} {time.monotonic():.3f}")
        time.sleep(0.1)
    note(path, f"end {line} {life} {time.monotonic():.3f}")
    return line


@task(name="sample.hold")
def hold(path: str, line: str, release: str) -> str:
    """Keeps a journal like sample.journal, and goes on until there is a file of the name `release`."""
    note(path, f"begin {line} {os.getpid()}")
    wait_for_file(release)
    note(path, f"end {line} {os.getpid()}")
    return line


@task(name="sample.tell")
def tell(path: str, current: float, total: float, message: str) -> None:
    """Says how far it is, and holds until the test makes the file."""
    context.progress(current, total, message)
    wait_for_file(path)


@task(name="sample.chatter")
def chatter(seconds: float) -> int:
    """Logs as fast as it can; how many pieces."""
    until = time.monotonic() + seconds
    pieces = 0
    while time.monotonic() < until:
        context.log("info", f"{pieces} {'x' * 200}")
        pieces += 1
    return pieces
