"""The sidecar as a process, without Ray."""

import os
import signal
import socket
import sys
import threading
import time

import pytest
from support import PACKAGE, Sidecar, Worker, alive, until

SYNC = ("--runner", "sync", "--task-modules", "sample_tasks")


def test_sidecar_serves_and_ends_when_stdin_ends(tmp_path):
    with Sidecar(tmp_path, *SYNC).serving() as sidecar, Worker(sidecar.endpoint) as worker:
        worker.greet()
        assert worker.run("add", [1])["decoded"] == 3
        began = time.monotonic()
        sidecar.end_stdin()
        assert sidecar.wait(5) == 0
        assert time.monotonic() - began < 2
        assert not sidecar.path.exists()


def test_what_a_task_prints_is_there_while_the_sidecar_runs(tmp_path):
    with Sidecar(tmp_path, *SYNC).serving() as sidecar, Worker(sidecar.endpoint) as worker:
        worker.greet()
        worker.run("where")
        until("the print", lambda: "printed by a task" in list(sidecar.lines))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sidecar_ends_on_a_signal_though_a_task_runs(tmp_path, number):
    with Sidecar(tmp_path, *SYNC).serving() as sidecar, Worker(sidecar.endpoint) as worker:
        worker.greet()
        worker.submit("stubborn", [str(tmp_path / "started")])
        until("the task runs", (tmp_path / "started").exists)
        os.kill(sidecar.pid, number)
        assert sidecar.wait(5) == 0
        assert not sidecar.path.exists()


def test_sidecar_ends_with_0_after_close(tmp_path):
    with Sidecar(tmp_path, *SYNC).serving() as sidecar, Worker(sidecar.endpoint) as worker:
        worker.greet()
        worker.send(["close", "done", True])
        assert sidecar.wait(5) == 0


def test_sidecar_ends_with_4_when_its_authority_runs_out(tmp_path):
    with (
        Sidecar(tmp_path, *SYNC, "--authority-seconds", "0.5").serving() as sidecar,
        Worker(sidecar.endpoint) as worker,
    ):
        worker.greet()
        assert sidecar.wait(5) == 4


def test_sidecar_that_was_stopped_and_continued_notices_that_its_authority_is_over(tmp_path):
    with Sidecar(tmp_path, *SYNC, "--authority-seconds", "1").serving() as sidecar, Worker(sidecar.endpoint) as worker:
        tick = worker.greet().tick
        os.kill(sidecar.pid, signal.SIGSTOP)
        worker.say(["authority", tick])
        worker.submit("add", [1])
        until("the authority is over", lambda: time.monotonic() > tick + 1.1)
        os.kill(sidecar.pid, signal.SIGCONT)
        assert sidecar.wait(5) == 4
        with pytest.raises(AssertionError):
            worker.expect("accepted", seconds=0.2)


def test_sidecar_log_lines_are_json_objects(tmp_path):
    with Sidecar(tmp_path, *SYNC, "--tasks", "broken_tasks, no_tasks,absent").serving() as sidecar:
        for line in sidecar.logs():
            assert line["level"] in ("debug", "info", "warn", "error", "fatal")
            assert line["time"] > 1.7e12
        failures = [line for line in sidecar.logs() if line["level"] == "error"]
        assert [line["module"] for line in failures] == ["broken_tasks", "no_tasks", "absent"]
        sidecar.end_stdin()
        assert sidecar.wait(5) == 0


def test_sidecar_serves_though_every_module_failed(tmp_path):
    with Sidecar(tmp_path, "--runner", "sync", "--tasks", "absent").serving() as sidecar, Worker(sidecar.endpoint) as w:
        w.hello()
        w.expect("welcome")
        assert w.expect("registry")[1] == []


def test_stale_endpoint_file_is_replaced(tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "bridge.sock"))
    with Sidecar(tmp_path, *SYNC).serving() as sidecar, Worker(sidecar.endpoint) as worker:
        worker.greet()


def test_live_endpoint_is_left_alone(tmp_path):
    with Sidecar(tmp_path, *SYNC).serving() as first, Worker(first.endpoint) as worker:
        worker.greet()
        with Sidecar(tmp_path, *SYNC) as second:
            assert second.fatal()["code"] == "ENDPOINT_IN_USE"
        assert worker.run("add", [1])["decoded"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--runner", "sync"), "NO_TASKS", "--task-modules"),
        (("--runner", "sync", "--tasks", " , "), "NO_TASKS", "--task-modules"),
        ((*SYNC, "--endpoint", "tcp://127.0.0.1:5555"), "BAD_ENDPOINT", "ipc://"),
        ((*SYNC, "--endpoint", "ipc://relative.sock"), "BAD_ENDPOINT", "absolute"),
        ((*SYNC, "--endpoint", "ipc:///no/such/folder/x"), "BAD_ENDPOINT", "/no/such/folder"),
        ((*SYNC, "--endpoint", "ipc:///" + "x" * 107), "ENDPOINT_TOO_LONG", "107"),
        ((*SYNC, "--colour", "red"), "BAD_ARGUMENT", "--colour"),
        (("--runner", "warp", "--tasks", "a"), "BAD_ARGUMENT", "warp"),
        ((*SYNC, "--authority-seconds", "0"), "BAD_ARGUMENT", "--authority-seconds"),
        (("--runner", "cluster", "--tasks", "a"), "BAD_ARGUMENT", "--ray-address"),
        ((*SYNC, "--host-on", "head"), "BAD_ARGUMENT", "--host-on goes with --hosted"),
    ],
)
def test_what_prevents_a_start_is_one_fatal_line(tmp_path, arguments, code, says):
    with Sidecar(tmp_path, *arguments) as sidecar:
        fatal = sidecar.fatal()
        assert fatal["code"] == code
        assert says in fatal["msg"]


def test_missing_package_is_named_with_the_command_that_installs_it(tmp_path):
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name in ('zmq', 'ray') else real(name, package)\n"
    )
    arguments = ("--runner", "local", "--tasks", "sample_tasks")
    with Sidecar(tmp_path, *arguments, env={"PYTHONPATH": f"{hide}{os.pathsep}{PACKAGE}"}) as sidecar:
        fatal = sidecar.fatal()
        assert fatal["code"] == "MISSING_PACKAGE"
        assert f"{sys.executable} -m pip install 'pyzmq' 'ray[default]'" in fatal["msg"]


def test_dead_ray_address_is_said_within_10_seconds(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    began = time.monotonic()
    with Sidecar(tmp_path, "--runner", "cluster", "--ray-address", address, "--tasks", "sample_tasks") as sidecar:
        fatal = sidecar.fatal(10)
    assert time.monotonic() - began < 10
    assert fatal["code"] == "RAY_UNREACHABLE"
    assert address in fatal["msg"]


def test_stdin_that_ends_while_ray_init_hangs_ends_the_sidecar(tmp_path):
    """A port that accepts and says nothing: ray.init() would go on for minutes."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        arguments = ("--runner", "cluster", "--ray-address", address, "--tasks", "sample_tasks")
        with Sidecar(tmp_path, *arguments) as sidecar:
            mute.settimeout(20)
            probed, _ = mute.accept()
            probed.close()
            began = time.monotonic()
            sidecar.end_stdin()
            assert sidecar.wait(5) == 0
            assert time.monotonic() - began < 3


SHORTER = (
    "import sys; from rayferry.ray import connect; connect.INIT_SECONDS = 1.0; "
    "from rayferry.__main__ import main; main(sys.argv[1:])"
)


class Impatient(Sidecar):
    """With a second for ray.init() instead of a minute; else the same."""

    def program(self):
        return [sys.executable, "-c", SHORTER]


@pytest.mark.parametrize("kind", [Impatient, pytest.param(Sidecar, marks=pytest.mark.long)])
def test_ray_init_that_hangs_ends_the_sidecar_with_a_sentence(tmp_path, kind):
    """A port that accepts and says nothing: ray.init() would go on for minutes, and can't be interrupted."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        arguments = ("--runner", "cluster", "--ray-address", address, "--tasks", "sample_tasks")
        with kind(tmp_path, *arguments) as sidecar:
            fatal = sidecar.fatal(75 if kind is Sidecar else 20)
    assert fatal["code"] == "RAY_UNREACHABLE"
    assert f"No answer from the Ray cluster at {address} for" in fatal["msg"]


def test_worker_that_is_killed_takes_its_sidecar_along(tmp_path):
    """The real case: the pipe ends because the process that held it is dead, not because it closed it."""
    read, write = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.close(read)
        threading.Event().wait(60)
        os._exit(0)
    os.close(write)
    try:
        with Sidecar(tmp_path, *SYNC, stdin=read).serving() as sidecar:
            os.kill(holder, signal.SIGKILL)
            assert sidecar.wait(5) == 0
            assert not alive(sidecar.pid)
    finally:
        os.close(read)
        os.waitpid(holder, 0)
