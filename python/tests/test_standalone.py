"""`python -m rayferry server` as a process: started by hand, for a worker elsewhere. Without Ray."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from effort import rounds
from keyring import Pair
from support import Sidecar, Worker, until

SYNC = ("--runner", "sync", "--tasks", "sample_tasks")
LOCAL = ("--listen", "tcp://127.0.0.1:0")
# A refusal comes within a second; asserted at three times that.
PROMPT = 3


class Standalone(Sidecar):
    """It has no stdin, and ends on a signal."""

    def __init__(self, folder, *arguments, **options):
        super().__init__(folder, *arguments, stdin=subprocess.DEVNULL, **options)

    def command_line(self, arguments):
        return ["server", *arguments]

    def end_stdin(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


@pytest.fixture
def keys(tmp_path):
    return Pair("server").save(tmp_path), Pair("client").save(tmp_path)


def test_server_on_tcp_with_curve_runs_tasks_for_a_known_worker(tmp_path, keys):
    server, client = keys
    arguments = (*LOCAL, *SYNC, "--keys", str(server.key), "--clients", str(client.pub))
    with Standalone(tmp_path, *arguments) as process:
        serving = process.event("serving")
        assert serving["public_key"] == server.public
        assert serving["endpoint"].startswith("tcp://127.0.0.1:")
        known = (server.public, client.public, client.secret)
        with Worker(serving["endpoint"], curve=known) as worker:
            worker.greet()
            assert worker.run("add", [1])["decoded"] == 3
        stranger = Pair("client")
        with Worker(serving["endpoint"], curve=(server.public, stranger.public, stranger.secret)) as worker:
            worker.hello()

            def refused():
                return [line for line in process.logs() if line.get("client_key") == stranger.public[:8]]

            line = until("it is refused", refused, PROMPT)[0]
            assert line["address"] == "127.0.0.1"
            worker.receive()
            assert worker.frames == []
        assert server.secret not in "\n".join(process.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_ends_with_0_on_a_signal_though_a_task_runs(tmp_path, number):
    with Standalone(tmp_path, *LOCAL, *SYNC) as process:
        with Worker(process.event("serving")["endpoint"]) as worker:
            worker.greet()
            worker.submit("stubborn", [str(tmp_path / "started")])
            until("the task runs", (tmp_path / "started").exists)
        os.kill(process.pid, number)
        assert process.wait(5) == 0


def test_server_on_ipc_leaves_no_file(tmp_path):
    (tmp_path / "s").mkdir(mode=0o700)
    with Standalone(tmp_path, "--listen", f"ipc://{tmp_path}/s/bridge.sock", *SYNC) as process:
        endpoint = process.event("serving")["endpoint"]
        with Worker(endpoint) as worker:
            worker.greet()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(5) == 0
    assert list((tmp_path / "s").iterdir()) == []


def test_server_takes_keys_from_the_environment_and_clients_from_a_folder(tmp_path, keys):
    server, client = keys
    (tmp_path / "allowed").mkdir()
    client.pub.rename(tmp_path / "allowed" / "client.pub")
    env = {"RAYFERRY_KEYS": str(server.key), "RAYFERRY_CLIENTS": str(tmp_path / "allowed")}
    with Standalone(tmp_path, *LOCAL, *SYNC, env=env) as process:
        endpoint = process.event("serving")["endpoint"]
        with Worker(endpoint, curve=(server.public, client.public, client.secret)) as worker:
            worker.greet()


def test_server_without_keys_on_loopback_says_that_it_is_insecure(tmp_path):
    with Standalone(tmp_path, *LOCAL, *SYNC) as process:
        assert process.event("serving")["public_key"] is None
        assert [line for line in process.logs() if line["msg"].startswith("INSECURE")]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (SYNC, "BAD_ARGUMENT", "--listen"),
        ((*LOCAL, "--runner", "sync"), "NO_TASKS", "--task-modules"),
        ((*LOCAL, "--runner", "cluster", "--tasks", "a"), "BAD_ARGUMENT", "--ray-address"),
        (("--listen", "http://h:1", *SYNC), "BAD_ENDPOINT", "--listen expects"),
        (("--listen", "ipc://relative", *SYNC), "BAD_ENDPOINT", "absolute"),
        (("--listen", "tcp://0.0.0.0:0", *SYNC), "PLAIN_TCP", "--plain-tcp (insecure)"),
        ((*LOCAL, *SYNC, "--keys", "server.key"), "BAD_ARGUMENT", "go together"),
        ((*LOCAL, *SYNC, "--clients", "client.pub"), "BAD_ARGUMENT", "go together"),
        ((*LOCAL, *SYNC, "--keys", "k", "--clients", "c", "--plain-tcp"), "BAD_ARGUMENT", "--plain-tcp"),
        (("--listen", "ipc:///tmp/s", *SYNC, "--keys", "k", "--clients", "c"), "BAD_ARGUMENT", "its folder"),
        ((*LOCAL, *SYNC, "--keys", "/no/such.key", "--clients", "c"), "KEY_FILE", "There is no key file /no/such.key"),
        (("--listen", "ipc:///tmp/s", *SYNC), "FOLDER_OPEN", "/tmp"),
    ],
)
def test_what_prevents_a_start_is_one_fatal_line(tmp_path, arguments, code, says):
    with Standalone(tmp_path, *arguments) as process:
        fatal = process.fatal()
        assert fatal["code"] == code
        assert says in fatal["msg"]


def test_plain_tcp_beyond_loopback_starts_when_asked_for(tmp_path):
    with Standalone(tmp_path, "--listen", "tcp://0.0.0.0:0", "--plain-tcp", *SYNC) as process:
        endpoint = process.event("serving")["endpoint"]
        with Worker(endpoint.replace("0.0.0.0", "127.0.0.1")) as worker:
            worker.greet()


def test_server_whose_worker_is_gone_stops_its_work_and_serves_the_next_worker(tmp_path):
    """The body can't be interrupted, so only the end of everything in the process ends it."""
    with Standalone(tmp_path, *LOCAL, *SYNC, "--authority-seconds", "1") as process:
        serving = process.event("serving")
        with Worker(serving["endpoint"]) as worker:
            epoch = worker.greet().epoch
            worker.submit("beat", [str(tmp_path / "beats")])
            until("the task runs", (tmp_path / "beats").exists)
        for _ in range(rounds(2, brief=1)):
            assert process.event("serving") == serving
            stopped_at = (tmp_path / "beats").read_text()
            with Worker(serving["endpoint"]) as worker:
                welcome = worker.greet()
                assert (welcome.epoch == epoch, welcome.pid, worker.inventory) == (False, process.pid, [])
                assert worker.run("add", [1])["decoded"] == 3
            assert (tmp_path / "beats").read_text() == stopped_at
        process.event("serving")
        assert Path(f"/proc/{process.pid}/cmdline").read_bytes().count(b"--listen") == 2
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(5) == 0
