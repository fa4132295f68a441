"""Log lines for the worker that reads them: one JSON object a line on stderr."""

from __future__ import annotations

import json
import os
import time
from typing import Literal, Protocol

Level = Literal["debug", "info", "warn", "error", "fatal"]


class Log(Protocol):
    def __call__(self, level: Level, msg: str, /, **fields: object) -> None: ...


def log_to_stderr(level: Level, msg: str, /, **fields: object) -> None:
    # The standard library's JSON: a missing package has to be reported too.
    line = {"level": level, "time": int(time.time() * 1000), "msg": msg, **fields}
    data = json.dumps(line, default=str).encode() + b"\n"
    try:
        # One write a line: lines of several threads never mix.
        os.write(2, data)
    except OSError:
        # The reader is gone; the end of stdin says so too.
        return


def no_log(level: Level, msg: str, /, **fields: object) -> None:
    return
