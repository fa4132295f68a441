"""Attached to a real cluster that somebody else started: here a head of our own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support import PACKAGE, Sidecar, Worker, started_by, until

pytestmark = pytest.mark.ray
TOKEN = "d" * 32


@pytest.fixture(scope="module")
def head():
    """`ray start --head` with a token, in a folder without our tasks: (address, environment)."""
    folder = Path(tempfile.mkdtemp(prefix="rf-head-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {
        "HOME": str(folder),
        "PYTHONPATH": "",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--include-dashboard=false"),
        *("--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2", f"--temp-dir={folder}/r"),
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        until("the head runs", lambda: "Ray runtime started" in (folder / "log").read_text(), 60)
        yield f"127.0.0.1:{port}", env
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for pid in started_by(str(folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def attached(folder: Path, address: str, env: dict[str, str], tasks: str, **more: str) -> Sidecar:
    arguments = ("--runner", "cluster", "--ray-address", address, "--tasks", tasks, "--authority-seconds", "600")
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    # Tasks are found through PYTHONPATH here and not in the working directory, which Ray tells its processes by itself:
    # so that only what was shipped can be what runs.
    project = folder / "project"
    project.mkdir()
    shutil.copy(Path(__file__).parent.parent / "project" / "sample_tasks.py", project)
    (project / "packed").mkdir()
    (project / "packed" / "__init__.py").write_text("from packed.inner import task_inside\n")
    (project / "packed" / "inner.py").write_text(
        "from rayferry import task\n@task(name='inside')\ndef task_inside():\n    return __file__\n"
    )
    path = f"{PACKAGE}{os.pathsep}{project}"
    return Sidecar(
        folder, *arguments, cwd=folder, env={name: env[name] for name in names} | {"PYTHONPATH": path} | more
    )


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
