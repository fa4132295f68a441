import threading
import time
from pathlib import Path

import pytest
from support import Worker

from rayferry.bridge.socket import RouterLink
from rayferry.log import no_log
from rayferry.server import Server
from rayferry.server.results import MEMORY_BYTES, Results
from rayferry.sync_runner import SyncRunner


class Hosted:
    """A server in a thread, with a clock that a test can put forward."""

    def __init__(self, folder: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self.endpoint = f"ipc://{folder}/s.sock"
        self.ahead = 0.0
        self.said: list[tuple[str, dict[str, object]]] = []
        self.results = Results(no_log, memory_bytes)
        runner = SyncRunner(["sample_tasks", "broken_tasks"], max_result_bytes=1000)
        self.server = Server(
            runner, build="0.1.0", log=self._log, results=self.results, clock=lambda: time.monotonic() + self.ahead
        )
        self.server.start()
        self._link = RouterLink(self.endpoint)
        self.end = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _log(self, level: str, msg: str, /, **fields: object) -> None:
        self.said.append((msg, fields))

    def _run(self) -> None:
        self.end = self.server.run(self._link)

    def ended(self) -> str:
        self._thread.join(10)
        assert self.end
        return self.end

    def close(self) -> None:
        self.server.stop()
        self._thread.join(10)
        self._link.close()
        self.server.shut_down()


@pytest.fixture
def make_hosted(tmp_path):
    made = []

    def make(**options):
        made.append(Hosted(tmp_path, **options))
        return made[-1]

    yield make
    for hosted in made:
        hosted.close()


@pytest.fixture
def hosted(make_hosted):
    return make_hosted()


@pytest.fixture
def worker(hosted):
    with Worker(hosted.endpoint) as worker:
        yield worker


@pytest.fixture
def marks(tmp_path):
    """Files by which a test sees that a task runs, and lets it go."""
    return str(tmp_path / "started"), str(tmp_path / "release")
