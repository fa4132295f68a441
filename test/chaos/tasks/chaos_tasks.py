"""Bodies that keep a journal which neither Ray nor Postgres knows of: a line of JSON each, appended in one write."""

import json
import os
import secrets
import time
from pathlib import Path

from rayferry import Snooze, SoftTimeout, context, task
from rayferry.member import interrupts

PULSE = 0.1
_files: dict[str, int] = {}


class Flaw(Exception):
    """What a body raises that is to fail."""


def write(path: str, **what: object) -> None:
    if path not in _files:
        _files[path] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_files[path], (json.dumps({**what, "at": time.time() * 1000}) + "\n").encode())


def first_time(path: str, name: str) -> bool:
    """Whether nobody asked this before, in whatever process."""
    try:
        Path(f"{path}.{name}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@task(name="chaos.body")
def body(
    path: str, seconds: float, name: str = "", fails: int = 0, snooze: float = 0.0, deaf: bool = False
) -> dict[str, object]:
    member = interrupts.current
    life = secrets.token_hex(6)
    write(
        path,
        word="begin",
        life=life,
        id=context.execution_id,
        attempt=context.attempt,
        fence=0 if member is None else member.fence,
        pid=os.getpid(),
    )
    try:
        if snooze > 0 and first_time(path, name):
            raise Snooze(snooze)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                time.sleep(min(left, PULSE))
                write(path, word="pulse", life=life)
            except SoftTimeout:
                if not deaf:
                    raise
        if context.attempt <= fails:
            raise Flaw(f"attempt {context.attempt} of {fails} that fail")
    except BaseException as error:
        words = {Flaw: "raised", Snooze: "snoozed"}
        write(path, word=words.get(type(error), "interrupted"), life=life)
        raise
    write(path, word="returned", life=life)
    return {"life": life}
