"""A Ray cluster that somebody else started, and sidecars on it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from support import PACKAGE, Sidecar, started_by, until

TOKEN = "d" * 32


@contextlib.contextmanager
def ray_head(*, alone: bool = True) -> Iterator[tuple[str, dict[str, str]]]:
    """`ray start --head` with a token, in a folder without our tasks: (address, environment). `alone`: on loopback,
    where no other node can join."""
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
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0" if alone else "1",
    }
    arguments = ("--head", "--include-dashboard=false", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2")
    with _started(folder, env, *arguments):
        yield f"127.0.0.1:{port}", env


@contextlib.contextmanager
def ray_node(address: str, env: dict[str, str], node_ip: str, cpus: int) -> Iterator[Callable[[], None]]:
    """Another raylet of the cluster on this machine, and what kills it with all that runs on it."""
    folder = Path(tempfile.mkdtemp(prefix="rf-node-"))
    # Ports that are given by default, and so would clash with the head's, are left to the system.
    ports = ("--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0")
    what = (f"--node-ip-address={node_ip}", f"--num-cpus={cpus}", "--object-store-memory=100000000")
    with _started(folder, env | {"HOME": str(folder)}, f"--address={address}", *what, *ports):
        yield lambda: _kill_all(folder)


@contextlib.contextmanager
def _started(folder: Path, env: dict[str, str], *arguments: str) -> Iterator[None]:
    start = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--temp-dir={folder}/r")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*start, *arguments], env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        said = (folder / "log").read_text
        until("`ray start` has started, or ended", lambda: "Ray runtime started" in said() or process.poll(), 60)
        assert process.poll() is None, said()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        _kill_all(folder)
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _kill_all(folder: Path) -> None:
    for pid in started_by(str(folder)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def attached(folder: Path, address: str, env: dict[str, str], tasks: str, **more: str) -> Sidecar:
    return _on_cluster(folder, address, env, ("--tasks", tasks, "--authority-seconds", "600"), more)


def hosted(folder: Path, address: str, env: dict[str, str], *more: str, node_ip: str = "") -> Sidecar:
    """Its server in an actor, which the test ends. `node_ip`: the raylet that the sidecar is on, if not the head's."""
    arguments = ("--tasks", "sample_tasks", "--hosted", "--worker", "w", "--database", "d1", *more)
    return _on_cluster(folder, address, env, arguments, {"RAYFERRY_RAY_NODE_IP": node_ip})


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
