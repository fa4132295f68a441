"""`context`, outside of an attempt and inside of one of the runner without Ray."""

import json
import os
import threading

import pytest
from support import until

from rayferry import context, errors
from rayferry.server.runner import Attempt
from rayferry.sync_runner import SyncRunner
from rayferry.timeouts import Timeout


class Recorder:
    def __init__(self):
        self.all = []
        self.over = threading.Event()

    def started(self, place):
        self.all.append(("started", place.pid))

    def progress(self, *values):
        self.all.append(("progress", *values))

    def log(self, *values):
        self.all.append(("log", *values))

    def done(self, outcome, age_seconds=0.0):
        self.all.append(("done", outcome))
        self.over.set()


@pytest.fixture
def submit():
    runner = SyncRunner(["link_tasks"], 1 << 20)
    tasks = {task.name: task for task in runner.start().registry.tasks}
    runner.grant(8.0)

    def submit(name, *arguments, number=2, timeout=None):
        events = Recorder()
        data = json.dumps(arguments).encode()
        attempt = Attempt("e1", 5, number, tasks[name], "application/json", data, timeout)
        return runner.submit(attempt, events), events

    submit.runner = runner
    yield submit
    runner.stop()


def test_outside_of_an_attempt_there_are_no_ids_and_nothing_is_said():
    context.progress(1, 2, "half")
    context.log("info", "nobody hears it")
    assert context.cancelled is False
    for name in ("execution_id", "attempt"):
        with pytest.raises(errors.NoAttempt, match=f"context.{name} was read outside of an attempt"):
            getattr(context, name)


@pytest.mark.parametrize("numbers", [(float("nan"),), (1, float("inf"))])
def test_progress_expects_finite_numbers(numbers):
    with pytest.raises(ValueError, match="finite"):
        context.progress(*numbers)


def test_log_expects_a_known_level():
    with pytest.raises(ValueError, match="debug, info, warn, error"):
        context.log("fatal", "no")


def test_what_a_task_says_reaches_its_attempt(submit):
    _, events = submit("speak", "x" * 20_000 + "\0$")
    assert events.over.wait(10)
    kinds = [each[0] for each in events.all]
    assert kinds == ["started", "progress", "log", "log", "done"]
    assert events.all[0] == ("started", os.getpid())
    assert events.all[1] == ("progress", 1.0, 4.0, "first")
    assert "".join(each[2] for each in events.all if each[0] == "log") == "x" * 20_000 + "\\0\\ud800"
    assert json.loads(events.all[-1][1].value) == ["e1", 2, False]


def test_cancel_is_seen_by_a_task_that_asks(submit):
    handle, events = submit("ask_until_cancelled")
    until("it starts", lambda: events.all)
    submit.runner.cancel(handle, False)
    assert events.over.wait(10)
    assert (events.all[-1][1].ending, events.all[-1][1].value) == ("SUCCEEDED", b"true")


@pytest.mark.parametrize(
    ("timeout", "cancelled"), [(Timeout(0.01, 0.01), b"false"), (Timeout(60, 5), b"true"), (None, b"true")]
)
def test_kill_for_a_timeout_is_no_cancel_to_a_task_that_asks(submit, timeout, cancelled):
    handle, events = submit("ask_until_cancelled", 0.5, timeout=timeout)
    until("it starts", lambda: events.all)
    until("its time is over", lambda: timeout is None or timeout.seconds > 1 or handle.is_overdue)
    submit.runner.cancel(handle, True)
    assert events.over.wait(10)
    assert (events.all[-1][1].ending, events.all[-1][1].value) == ("SUCCEEDED", cancelled)


def test_withdrawn_before_it_started_never_starts_and_afterwards_goes_on(submit):
    running, first = submit("rest", 0.2)
    waiting, second = submit("rest", 0)
    submit.runner.withdraw(waiting)
    assert second.over.wait(10)
    until("it starts", lambda: first.all)
    submit.runner.withdraw(running)
    assert first.over.wait(10)
    assert [each[1].ending for each in (first.all[-1], second.all[-1])] == ["SUCCEEDED", "WITHDRAWN"]
    assert [each[0] for each in second.all] == ["done"]
