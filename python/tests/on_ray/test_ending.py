"""How a sidecar with Ray ends: whatever it started ends with it."""

import os
import signal
import time
from pathlib import Path

import pytest
from support import Sidecar, Worker, gone, program, started_by, until

pytestmark = pytest.mark.ray


def local(folder: Path, *more: str) -> Sidecar:
    return Sidecar(folder, "--runner", "local", "--ray-temp-dir", str(folder / "r"), "--num-cpus", "1", *more)


def hold(worker: Worker, mark: Path) -> None:
    worker.greet()
    worker.submit("stubborn", [str(mark)])
    until("the task runs", mark.exists, 30)


def test_sidecar_that_is_killed_leaves_no_ray_process(short):
    with local(short, "--tasks", "sample_tasks").serving() as sidecar, Worker(sidecar.endpoint) as worker:
        hold(worker, short / "mark")
        assert len(started_by(str(sidecar.home))) > 3
        os.kill(sidecar.pid, signal.SIGKILL)
        gone(str(sidecar.home), 10)
        until("Ray's temp dir is removed", lambda: not (short / "r").exists(), 5)


def test_sidecar_ends_in_3_seconds_when_stdin_ends_though_a_task_ignores_interrupts(short):
    """Also: a module that ends its process when imported is a failure of its own, and the others are served."""
    modules = "sample_tasks,leaving_tasks"
    with local(short, "--tasks", modules).serving() as sidecar, Worker(sidecar.endpoint) as worker:
        worker.greet()
        (failure,) = worker.registry[2]
        assert failure["module"] == "leaving_tasks"
        assert "ended its process" in failure["message"]
        hold(worker, short / "mark")
        began = time.monotonic()
        sidecar.end_stdin()
        assert sidecar.wait(5) == 0
        assert time.monotonic() - began < 3
        gone(str(sidecar.home), 2)
        assert not (short / "r").exists()


def test_sidecar_without_authority_stops_its_tasks_and_leaves_with_4(short):
    arguments = ("--tasks", "sample_tasks", "--authority-seconds", "4")
    with local(short, *arguments).serving() as sidecar, Worker(sidecar.endpoint) as worker:
        hold(worker, short / "mark")
        assert sidecar.wait(10) == 4
        gone(str(sidecar.home), 2)


def test_sidecar_whose_raylet_died_leaves_with_5(short):
    with local(short, "--tasks", "sample_tasks").serving() as sidecar, Worker(sidecar.endpoint) as worker:
        worker.greet()
        (raylet,) = [pid for pid in started_by(str(sidecar.home)) if program(pid) == "raylet"]
        os.kill(raylet, signal.SIGKILL)
        assert sidecar.wait(10) == 5
        gone(str(sidecar.home), 5)


def test_ray_temp_dir_that_is_too_long_for_its_sockets_is_said(short):
    arguments = ("--runner", "local", "--tasks", "sample_tasks", "--ray-temp-dir", "/tmp/" + "x" * 60)
    with Sidecar(short, *arguments) as sidecar:
        fatal = sidecar.fatal()
        assert fatal["code"] == "RAY_START_FAILED"
        assert "at most" in fatal["msg"]
