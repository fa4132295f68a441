"""A Ray cluster that somebody else started, and sidecars on it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support import PACKAGE, Sidecar, started_by, until

TOKEN = "d" * 32


@contextlib.contextmanager
def ray_head() -> Iterator[tuple[str, dict[str, str]]]:
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
    return _on_cluster(folder, address, env, ("--tasks", tasks, "--authority-seconds", "600"), more)


def hosted(folder: Path, address: str, env: dict[str, str], *more: str) -> Sidecar:
    """Its server in an actor, which the test ends."""
    arguments = ("--tasks", "sample_tasks", "--hosted", "--worker", "w", "--database", "d1", *more)
    return _on_cluster(folder, address, env, arguments, {})


def _on_cluster(
    folder: Path, address: str, env: dict[str, str], arguments: tuple[str, ...], more: dict[str, str]
) -> Sidecar:
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    # Tasks are found through PYTHONPATH here and not in the working directory, which Ray tells its processes by itself:
    # so that only what was shipped can be what runs.
    project = folder / "project"
    project.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent.parent / "project" / "sample_tasks.py", project)
    (project / "packed").mkdir(exist_ok=True)
    (project / "packed" / "__init__.py").write_text("from packed.inner import task_inside\n")
    (project / "packed" / "inner.py").write_text(
        "from rayferry import task\n@task(name='inside')\ndef task_inside():\n    return __file__\n"
    )
    path = f"{PACKAGE}{os.pathsep}{project}"
    own = {name: env[name] for name in names}
    command = ("--runner", "cluster", "--ray-address", address, *arguments)
    return Sidecar(folder, *command, cwd=folder, env=own | {"PYTHONPATH": path} | more)
