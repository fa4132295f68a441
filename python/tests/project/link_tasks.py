"""Tasks for the tests of the task link."""

import asyncio
import contextlib
import importlib
import itertools
import multiprocessing
import os
import random
import re
import sys
import time
from pathlib import Path

from rayferry import SoftTimeout, context, task


@task(name="nothing")
def nothing():
    return None


@task(name="rest")
def rest(seconds=60):
    """One call that nothing but a real signal ends."""
    time.sleep(seconds)
    return "rested"


@task(name="rest_async")
async def rest_async(seconds=60):
    await asyncio.sleep(seconds)
    return "rested"


@task(name="deaf")
def deaf(seconds=60):
    """Ignores every interrupt."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(0.05)


@task(name="journal")
def journal(path, seconds=60):
    """Writes the time, again and again, so that others see until when it ran."""
    end = time.monotonic() + seconds
    with Path(path).open("a", buffering=1) as file:
        while time.monotonic() < end:
            with contextlib.suppress(KeyboardInterrupt):
                file.write(f"{time.monotonic()}\n")
                time.sleep(0.02)


@task(name="brief")
def brief(most):
    """Takes up to `most` seconds: ends about when a cancel comes."""
    end = time.perf_counter() + random.uniform(0, most)
    while time.perf_counter() < end:
        # Lets other threads run, as a task that does something does.
        time.sleep(0)
    return "finished"


@task(name="brief_async")
async def brief_async(most):
    end = time.perf_counter() + random.uniform(0, most)
    while time.perf_counter() < end:
        await asyncio.sleep(0)
    return "finished"


@task(name="speak")
def speak(text="hello", seconds=0):
    context.progress(1, 4, "first")
    # No JSON carries half a surrogate pair into a task, but a task may make one.
    context.log("info", text.replace("$", "\ud800"))
    time.sleep(seconds)
    return [context.execution_id, context.attempt, context.cancelled]


@task(name="flood")
def flood(megabytes):
    line = "x" * 1023 + "\n"
    for _ in range(megabytes * 1024):
        context.log("debug", line)
    return "flooded"


@task(name="notice")
def notice(seconds=60):
    """Sees the cancel, not only feels it."""
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return ["interrupted", context.cancelled]


@task(name="clean_up")
def clean_up(seconds=60):
    try:
        # Its `try` is entered: what comes from now on can be caught.
        context.progress(1)
        time.sleep(seconds)
    except SoftTimeout:
        return "cleaned up"


@task(name="fork")
def fork():
    """What a forked child sees, while its parent goes on speaking."""
    receive, send = multiprocessing.Pipe()

    def child():
        context.log("info", "from the child")
        context.progress(9)
        try:
            seen = context.execution_id
        except Exception as error:
            seen = type(error).__name__
        send.send(seen)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    seen = receive.recv()
    process.join()
    context.log("info", "from the parent")
    return [seen, process.exitcode]


@task(name="parent")
def parent(path, seconds=60):
    """Starts a process, says which, and waits."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,))
    process.start()
    Path(path).write_text(f"{os.getpid()} {process.pid}")
    with contextlib.suppress(KeyboardInterrupt, SoftTimeout):
        process.join()
    process.join()


@task(name="parent_that_holds")
def parent_that_holds(path, seconds):
    """Starts a process, says which, and lets no thread run for `seconds`."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    Path(path).write_text(f"{os.getpid()} {process.pid}")
    usual = sys.getswitchinterval()
    sys.setswitchinterval(60)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    sys.setswitchinterval(usual)
    deaf()


_ENDLESS = re.compile("(a+)+$")
_times = itertools.count(1)


@task(name="hold_when_warm")
def hold_when_warm():
    """Its fifth time in a process takes the interpreter lock at once; by then nobody is woken for a start."""
    if next(_times) >= 5:
        _ENDLESS.match("a" * 60 + "b")


@task(name="hold_interpreter")
def hold_interpreter(path):
    """Takes Python's interpreter lock, for ever, and lets no thread run meanwhile."""
    Path(path).touch()
    re.match("(a+)+$", "a" * 60 + "b")


@task(name="import_for_ever")
def import_for_ever(path):
    """Its time goes by in an import."""
    sys.path.insert(0, path)
    importlib.import_module("imported_for_ever")


@task(name="ask_until_cancelled")
def ask_until_cancelled(seconds=30):
    end = time.monotonic() + seconds
    while not context.cancelled and time.monotonic() < end:
        time.sleep(0.005)
    return context.cancelled
