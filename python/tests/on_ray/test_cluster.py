"""Attached to a real cluster that somebody else started: here a head of our own."""

from pathlib import Path

import pytest
from cluster import attached
from support import Worker, until

pytestmark = pytest.mark.ray


def test_attached_sidecar_ships_its_code_and_runs_attempts(head, tmp_path):
    address, env = head
    sidecar = attached(tmp_path, address, env, "sample_tasks,packed")
    with sidecar.serving(), Worker(sidecar.endpoint) as worker:
        cluster = worker.greet().cluster
        assert (cluster["address"], cluster["nodes"], cluster["cpus"]) == (address, 1, 2.0)
        assert worker.run("add", [1])["decoded"] == 3
        for task, at in (("where", lambda value: value["file"]), ("inside", lambda value: value)):
            assert str(tmp_path) not in at(worker.run(task)["decoded"])
        worker.submit("stubborn", [str(tmp_path / "mark")])
        pid = int(until("the task runs", lambda: (tmp_path / "mark").exists() and (tmp_path / "mark").read_text(), 30))
        sidecar.end_stdin()
        assert sidecar.wait(5) == 0
        until("its task is stopped", lambda: not Path(f"/proc/{pid}").exists(), 5)


@pytest.mark.parametrize("token", ["e" * 32, ""])
def test_wrong_token_is_said_as_such(head, tmp_path, token):
    address, env = head
    mode = "token" if token else "disabled"
    with attached(tmp_path, address, env, "sample_tasks", RAY_AUTH_TOKEN=token, RAY_AUTH_MODE=mode) as sidecar:
        fatal = sidecar.fatal(70)
        assert fatal["code"] == "RAY_AUTH_FAILED", sidecar.lines
        assert "RAY_AUTH_TOKEN" in fatal["msg"]
