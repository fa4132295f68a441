import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from cluster import ray_head
from support import Sidecar, Worker, gone, until

INCARNATION = str(uuid.uuid4())
# No test here is about authority, and nobody echoes ticks between two tests.
LONG = ("--authority-seconds", "3600")


@pytest.fixture(scope="session")
def sidecar():
    """One local Ray with two CPUs for the tests that leave it as it was."""
    with tempfile.TemporaryDirectory(prefix="rf-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        arguments = ("--runner", "local", "--ray-temp-dir", str(folder / "r"), "--num-cpus", "2", *LONG)
        with Sidecar(folder, *arguments, "--tasks", "sample_tasks").serving() as sidecar:
            yield sidecar
            sidecar.end_stdin()
            assert sidecar.wait(10) == 0
            gone(str(sidecar.home), 5)
            assert not (folder / "r").exists()


@pytest.fixture(scope="module")
def head():
    """`ray start --head` with a token, in a folder without our tasks: (address, environment)."""
    with ray_head() as found:
        yield found


@pytest.fixture
def short():
    """A folder whose path is short enough for Ray's sockets, wherever pytest puts its own."""
    with tempfile.TemporaryDirectory(prefix="rf-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def worker(sidecar):
    # The same incarnation each time: it is one worker's session that goes on.
    with Worker(sidecar.endpoint, INCARNATION) as worker:
        worker.greet()
        yield worker


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "started"


@pytest.fixture
def running(worker, mark):
    """Submit a task that leaves a mark, and wait for it: (execution, pid)."""

    def run(task: str, *more: object, **options: Any) -> tuple[str, int]:
        execution = worker.submit(task, [str(mark), *more], **options)
        return execution, int(until("the task runs", lambda: mark.exists() and Path(mark).read_text(), 30))

    return run
