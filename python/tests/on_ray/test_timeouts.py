"""Timeouts, and what a task asks for by raising, on a real local Ray, through a real sidecar."""

import os
import signal
import time

import pytest
from support import alive, until

pytestmark = pytest.mark.ray
SOFT = "rayferry.errors.SoftTimeout"


@pytest.mark.parametrize("task", ["sleep", "hold_async"])
def test_task_is_interrupted_within_a_second_of_its_timeout(worker, running, task):
    execution, _ = running(task, timeout=(0.5, 30.0))
    result = worker.result(execution, 5)
    error = result["error"]
    assert (result["outcome"], error["code"], error["type"]) == ("TIMED_OUT", "Timeout", SOFT)
    assert "sample_tasks.py" in error["traceback"]
    assert 0.5 <= result["run"]["run_seconds"] < 1.5


def test_task_that_ignores_it_is_killed_when_the_grace_is_over(worker, running):
    execution, pid = running("stubborn", timeout=(0.5, 0.5))
    began = time.monotonic()
    result = worker.result(execution, 5)
    assert time.monotonic() - began < 0.5 + 0.5 + 1
    error = result["error"]
    assert (result["outcome"], error["code"], error["type"]) == ("TIMED_OUT", "Timeout", "Timeout")
    assert error["message"] == (
        "The task ran longer than its timeout of 0.5 s, and was killed 0.5 s after the interrupt."
    )
    assert not alive(pid)


def test_task_that_holds_the_interpreter_is_killed_when_the_grace_is_over(worker, running):
    execution, pid = running("hold_interpreter", timeout=(0.3, 0.3))
    began = time.monotonic()
    result = worker.result(execution, 10)
    assert time.monotonic() - began < 0.3 + 0.3 + 2
    assert (result["outcome"], result["error"]["type"]) == ("TIMED_OUT", "Timeout")
    assert not alive(pid)


def test_task_that_holds_the_interpreter_at_once_in_a_warm_process_has_timed_out(worker):
    for _ in range(50):
        result = worker.result(worker.submit("hold_when_warm", [], timeout=(0.3, 0.3)), 10)
        if result["outcome"] != "SUCCEEDED":
            break
    assert (result["outcome"], result["error"]["type"]) == ("TIMED_OUT", "Timeout")


def test_process_that_is_stopped_is_killed_by_the_server(worker, running):
    execution, pid = running("sleep", timeout=(0.3, 0.2))
    os.kill(pid, signal.SIGSTOP)
    # 1.5 s later than it should have done it itself; and Ray loses one kill in ten, so that it is asked again.
    result = worker.result(execution, 15)
    assert (result["outcome"], result["error"]["type"]) == ("TIMED_OUT", "Timeout")
    until("its process is gone", lambda: not alive(pid), 5)


def test_timeout_is_kept_while_the_server_is_stopped(sidecar, worker, running, mark):
    execution, pid = running("stubborn", timeout=(1.0, 0.5))
    worker.expect("started", execution)
    os.kill(sidecar.pid, signal.SIGSTOP)
    try:
        until("it was interrupted", mark.with_name(mark.name + ".timeout").exists, 1.0 + 1)
        until("its process is gone", lambda: not alive(pid), 0.5 + 1)
    finally:
        os.kill(sidecar.pid, signal.SIGCONT)
    result = worker.result(execution, 5)
    assert (result["outcome"], result["error"]["type"]) == ("TIMED_OUT", "Timeout")


def test_cancel_in_the_grace_wins(worker, running, mark):
    execution, _ = running("stubborn", timeout=(0.2, 1.0))
    until("it was interrupted", mark.with_name(mark.name + ".timeout").exists, 5)
    worker.send(["cancel", execution, 1, 30.0])
    assert worker.result(execution, 5)["outcome"] == "CANCELLED"


@pytest.mark.parametrize("task", ["ask", "ask_async"])
def test_what_a_task_asks_for_comes_through_ray(worker, task):
    results = [worker.run(task, [what]) for what in ("retry", "no retry", "snooze")]
    assert [each["outcome"] for each in results] == ["FAILED", "FAILED", "SNOOZED"]
    assert [tuple(each["again"].values()) for each in results] == [(True, 2.5), (False, None), (True, 30.0)]
    assert [each["error"]["type"].rpartition(".")[2] for each in results] == ["Retry", "NoRetry", "Snooze"]


def test_next_attempt_in_the_same_process_has_a_time_of_its_own(worker):
    assert worker.run("add", [1])["outcome"] == "SUCCEEDED"
    for _ in range(3):
        execution = worker.submit("add", [1], timeout=(0.2, 0.0))
        assert worker.result(execution)["outcome"] == "SUCCEEDED"
    time.sleep(0.8)
    assert worker.run("add", [1])["outcome"] == "SUCCEEDED"
