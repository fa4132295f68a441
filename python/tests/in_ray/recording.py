"""A RayRunner without a server: what it says of each attempt is remembered."""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import Any

from support import JSON, until

from rayferry.outcome import Outcome, Place
from rayferry.registry import TaskEntry
from rayferry.server.runner import Attempt


class Recorder:
    """Events of one attempt, each with its time."""

    def __init__(self) -> None:
        self.all: list[tuple[float, str, Any]] = []
        self.over = threading.Event()

    def started(self, place: Place) -> None:
        self.all.append((time.monotonic(), "started", place))

    def progress(self, current: float, total: float | None, message: str | None) -> None:
        self.all.append((time.monotonic(), "progress", (current, total, message)))

    def log(self, level: str, text: str) -> None:
        self.all.append((time.monotonic(), "log", (level, text)))

    def done(self, outcome: Outcome, age_seconds: float = 0.0) -> None:
        self.all.append((time.monotonic(), "done", outcome))
        self.over.set()

    def of(self, kind: str) -> list[Any]:
        return [what for _, each, what in list(self.all) if each == kind]

    def at(self, kind: str) -> float:
        return next(at for at, each, _ in self.all if each == kind)

    def outcome(self, seconds: float = 20) -> Outcome:
        """The first, which is the one that counts."""
        assert self.over.wait(seconds), f"no end within {seconds} s: {self.all}"
        return self.of("done")[0]

    def value(self, seconds: float = 20) -> Any:
        outcome = self.outcome(seconds)
        assert outcome.ending == "SUCCEEDED", outcome
        assert outcome.value is not None
        return json.loads(outcome.value)

    def place(self, seconds: float = 20) -> Place:
        return until("it starts", lambda: self.of("started"), seconds)[0]


def entry(name: str, module: str = "link_tasks", num_cpus: float = 1.0) -> TaskEntry:
    return TaskEntry(name, module, name, None, "function", "default", num_cpus, None, [])


def submit(runner: Any, name: str, *arguments: Any, fence: int = 1, num_cpus: float = 1.0) -> tuple[Any, Recorder]:
    events = Recorder()
    task = entry(name, num_cpus=num_cpus)
    attempt = Attempt(str(uuid.uuid4()), fence, 1, task, JSON, json.dumps(list(arguments)).encode())
    return runner.submit(attempt, events), events
