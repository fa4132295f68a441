"""When Ray is asked to cancel: its C++ code aborts the driver over a task whose answer is under way. Without a Ray."""

import pytest
import ray
from ray.exceptions import WorkerCrashedError

from rayferry.outcome import Outcome, encode_outcome
from rayferry.ray.running import LAST_WORDS_SECONDS, Running
from rayferry.server.runner import Attempt
from rayferry.timeouts import Timeout
from tests.in_ray.recording import entry

TIMEOUT = Timeout(60.0, 5.0)


class Hub:
    """Does nothing, and calls back when the test says."""

    def __init__(self):
        self.later = []

    def cancel(self, execution, fence, hard=False): ...

    def withdraw(self, execution, fence): ...

    def forget(self, execution, fence): ...

    def after(self, seconds, call):
        self.later.append((seconds, call))

    def come(self):
        while self.later:
            self.later.pop(0)[1]()


class Process:
    worker_id = node_id = "here"
    pid = 7


class Events:
    def __init__(self):
        self.ends = []

    def started(self, place): ...

    def done(self, outcome, age_seconds=0.0):
        self.ends.append((outcome.ending, age_seconds))


class Ref:
    def _on_completed(self, call):
        self.complete = call

    def task_id(self):
        return b"task"


@pytest.fixture
def cancels(monkeypatch):
    found = []
    monkeypatch.setattr(ray, "cancel", lambda ref, force: found.append(force))
    return found


@pytest.fixture
def run():
    hub, events, ref = Hub(), Events(), Ref()
    running = Running(Attempt("e", 1, 1, entry("add"), "json", b"", TIMEOUT), events, hub, lambda *_: None)
    running.follow(ref)
    return running, hub, events, ref


def test_attempt_that_does_not_answer_is_killed_by_ray(run, cancels):
    running, hub, *_ = run
    running.begun(Process(), "task")
    running.kill(0.5)
    hub.come()
    assert cancels == [True]


@pytest.mark.parametrize("first", ["the kill", "the end"])
def test_attempt_that_has_said_how_it_ended_is_not(run, cancels, first):
    running, hub, events, ref = run
    running.begun(Process(), "task")
    if first == "the kill":
        running.kill(0.5)
    running.ended(Outcome(ending="SUCCEEDED"))
    running.kill(0.5)
    running.kill_by_ray()
    hub.come()
    ref.complete(encode_outcome(Outcome(ending="SUCCEEDED")))
    assert (cancels, events.ends) == ([], [("SUCCEEDED", 0.0)] * 2)


def test_waiting_for_last_words_takes_nothing_from_the_time_that_it_ran(run):
    running, hub, events, ref = run
    running.begun(Process(), "task")
    ref.complete(WorkerCrashedError())
    assert (events.ends, hub.later[0][0]) == ([], LAST_WORDS_SECONDS)
    hub.come()
    [(ending, age)] = events.ends
    assert ending == "LOST"
    assert 0 < age < LAST_WORDS_SECONDS
