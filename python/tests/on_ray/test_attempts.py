"""Attempts on a real local Ray, through a real sidecar."""

import re
import subprocess

import pytest
from support import alive, started_by, until

pytestmark = pytest.mark.ray


def test_success_brings_its_value_and_rays_ids(worker):
    result = worker.run("add", {"a": 40})
    run = result["run"]
    assert (result["outcome"], result["decoded"], result["error"]) == ("SUCCEEDED", 42, None)
    assert all(re.fullmatch("[0-9a-f]{20,}", run[name]) for name in ("ray_task_id", "node_id", "worker_id"))
    assert run["pid"] > 0
    assert 0 <= run["run_seconds"] < 5


def test_async_function_is_awaited(worker):
    assert worker.run("add_later", [1, 2])["decoded"] == 3


def test_failure_brings_the_users_frames_only(worker):
    error = worker.run("fail", ["no"])["error"]
    assert (error["code"], error["type"], error["message"]) == ("TaskError", "sample_tasks.OddError", "no")
    assert error["bases"] == ["ValueError", "Exception", "BaseException"]
    files = re.findall(r'File "([^"]+)"', error["traceback"])
    assert [file.rpartition("/")[2] for file in files] == ["sample_tasks.py"]


@pytest.mark.parametrize(
    ("task", "arguments", "code"),
    [
        ("add", {"c": 1}, "InvalidInput"),
        ("bad_result", [], "ResultNotSerializable"),
        ("big", [9_000_000], "ResultTooLarge"),
        ("leave", [3], "TaskError"),
    ],
)
def test_failure_has_its_code(worker, task, arguments, code):
    result = worker.run(task, arguments)
    assert (result["outcome"], result["error"]["code"]) == ("FAILED", code)


@pytest.mark.parametrize("length", [300_000, 8_000_000])
def test_big_values_go_in_and_out(worker, length):
    assert worker.run("big", [length])["decoded"] == "x" * length
    assert worker.run("echo", ["y" * length])["decoded"]["values"] == ["y" * length]


def test_process_that_dies_is_lost(worker):
    result = worker.run("crash", [9])
    assert (result["outcome"], result["error"]["code"]) == ("LOST", "ProcessCrashed")
    assert result["run"]["ray_task_id"]


@pytest.mark.parametrize("task", ["hold", "hold_async"])
def test_cancel_interrupts_what_runs(worker, running, tmp_path, task):
    execution, _ = running(task, *([str(tmp_path / "never")] if task == "hold" else []))
    worker.send(["cancel", execution, 1, 30.0])
    result = worker.result(execution, 5)
    assert (result["outcome"], result["error"]["code"]) == ("CANCELLED", "Cancelled")
    assert result["run"]["run_seconds"] > 0


def test_cancel_kills_what_ignores_the_interrupt_when_the_grace_is_over(worker, running):
    execution, pid = running("stubborn")
    worker.send(["cancel", execution, 1, 0.5])
    assert worker.result(execution, 10)["outcome"] == "CANCELLED"
    until("its process is gone", lambda: not alive(pid), 5)


def test_cancel_without_grace_kills_at_once(worker, running):
    execution, pid = running("stubborn")
    worker.send(["cancel", execution, 1, 0])
    assert worker.result(execution, 5)["outcome"] == "CANCELLED"
    until("its process is gone", lambda: not alive(pid), 5)


def test_cancel_that_is_swallowed_is_recorded_as_what_the_task_did(worker, running):
    execution, _ = running("swallow")
    worker.send(["cancel", execution, 1, 30.0])
    result = worker.result(execution, 5)
    assert (result["outcome"], result["decoded"]) == ("SUCCEEDED", "swallowed")


def test_cancel_that_makes_the_task_raise_is_recorded_as_its_error(worker, running):
    execution, _ = running("change_mind")
    worker.send(["cancel", execution, 1, 30.0])
    result = worker.result(execution, 5)
    assert (result["outcome"], result["error"]["type"]) == ("FAILED", "sample_tasks.OddError")


def test_num_cpus_is_what_ray_reserves_and_a_cancel_withdraws_what_waits(worker, running, tmp_path):
    release = tmp_path / "release"
    greedy, _ = running("greedy", str(release))
    waiting, withdrawn = worker.submit("add", [1]), worker.submit("add", [2])
    assert worker.run("where")["outcome"] == "SUCCEEDED"
    worker.send(["cancel", withdrawn, 1, 30.0])
    result = worker.result(withdrawn, 5)
    assert (result["outcome"], result["run"]["run_seconds"]) == ("CANCELLED", None)
    assert not [message for message in worker.inbox if message[0] == "result" and message[1] == waiting]
    release.touch()
    assert worker.result(greedy)["outcome"] == "SUCCEEDED"
    assert worker.result(waiting)["decoded"] == 3


def test_newer_attempt_kills_the_older(worker, running, tmp_path):
    execution, pid = running("stubborn")
    worker.submit("add", [1], fence=2, execution=execution)
    until("the older one's process is gone", lambda: not alive(pid), 10)
    ends = {tuple(worker.expect("result", execution)[2:4]) for _ in range(2)}
    assert ends == {(1, "CANCELLED"), (2, "SUCCEEDED")}


def test_task_runs_in_the_projects_folder_and_its_prints_reach_the_log(worker, sidecar):
    from support import PROJECT

    assert worker.run("where")["decoded"]["cwd"] == str(PROJECT)
    # By way of a file, Ray's log monitor and its pubsub, each at its own pace: a busy machine takes many seconds.
    printed = lambda: any("printed by a task" in line for line in list(sidecar.lines))  # noqa: E731
    try:
        until("the print", printed, 60)
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *sidecar.lines[-50:]])) from None


def test_ray_of_ours_writes_nothing_to_home_and_listens_on_loopback_only(worker, sidecar):
    assert list(sidecar.home.iterdir()) == []
    pids = set(started_by(str(sidecar.home)))
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = [line.split()[3] for line in listening if pids & {int(pid) for pid in re.findall(r"pid=(\d+)", line)}]
    assert ours
    assert [
        address for address in ours if not address.startswith(("127.0.0.1:", "[::1]:", "[::ffff:127.0.0.1]:"))
    ] == []


def test_thousand_attempts_each_have_their_result(worker):
    executions = {worker.submit("echo", [index]): index for index in range(1000)}
    got = {execution: worker.result(execution, 60)["decoded"]["values"] for execution in executions}
    assert got == {execution: [index] for execution, index in executions.items()}
