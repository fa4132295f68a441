"""Task code that is redeployed: tests write it into folders of their own, each with another VERSION."""

import time
from pathlib import Path

from rayferry import task

VERSION = "A"


def note(path: str, line: str) -> None:
    with Path(path).open("a") as journal:
        journal.write(line + "\n")


@task(name="deploy.journal")
def journal(path: str, line: str, seconds: float) -> str:
    """Says in a journal when it begins and when it ends; which code it was."""
    note(path, f"begin {line} {VERSION}")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    note(path, f"end {line} {VERSION}")
    return VERSION


@task(name="deploy.hold")
def hold(path: str, line: str, release: str) -> str:
    """The same, until there is a file of that name."""
    note(path, f"begin {line} {VERSION}")
    while not Path(release).exists():
        time.sleep(0.01)
    note(path, f"end {line} {VERSION}")
    return VERSION
