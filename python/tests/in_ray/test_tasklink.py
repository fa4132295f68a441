"""The task link on a real Ray, by a RayRunner without a server."""

import contextlib
import os
import random
import signal
import stat
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
import zmq
from recording import submit
from support import PACKAGE, PROJECT, alive, until

from rayferry.log import log_to_stderr
from rayferry.outcome import encode_outcome
from rayferry.tasklink.hub import TaskHub
from rayferry.tasklink.messages import decode_address, encode_address

pytestmark = [pytest.mark.ray]
LONG = 3600.0


def report(text):
    """A figure, for whoever runs the tests with -rP."""
    sys.stdout.write(text + "\n")


@pytest.fixture(scope="module")
def runner():
    with tempfile.TemporaryDirectory(prefix="rf-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        before = dict(os.environ), Path.cwd()
        os.chdir(PROJECT)
        os.environ["HOME"] = folder
        from rayferry.ray.environment import prepare_environment

        prepare_environment(True)
        from rayferry.ray.connect import Connection
        from rayferry.ray.runner import RayRunner

        runner = RayRunner(Connection(None, ["link_tasks"], f"{folder}/r", 2), ["link_tasks"], 8 << 20, log_to_stderr)
        try:
            runner.start()
            link = Path(runner._folder)
            assert stat.S_IMODE(link.stat().st_mode) == 0o700
            yield runner
        finally:
            runner.stop()
            os.environ.clear()
            os.environ.update(before[0])
            os.chdir(before[1])
        assert not link.exists()


@pytest.fixture(autouse=True)
def granted(runner):
    runner.grant(LONG)


def last_line(journal):
    """The last whole one."""
    lines = journal.read_text().split("\n")[:-1]
    return float(lines[-1]) if lines else 0.0


@contextlib.contextmanager
def other_hub(runner, hub):
    """Its task processes come to this one instead."""
    before, runner._hub = runner._hub, hub
    hub.grant(LONG)
    try:
        yield hub
    finally:
        runner._hub = before
        hub.close()


def test_started_says_where_it_runs_and_comes_at_once(runner):
    _, events = submit(runner, "rest", 0.3)
    place = events.place()
    assert alive(place.pid)
    outcome = events.outcome()
    assert (outcome.ray_task_id, outcome.node_id, outcome.worker_id, outcome.pid) == msgspec.structs.astuple(place)
    latencies = []
    for _ in range(100):
        began = time.monotonic()
        _, events = submit(runner, "rest", 0.02)
        events.value()
        latencies.append(1000 * (events.at("started") - began))
    report(f"submit to started: p50 {statistics.median(latencies):.2f} ms, p90 {sorted(latencies)[90]:.2f} ms")


def test_what_a_task_says_arrives_before_its_result_which_comes_twice(runner):
    came_twice = []
    for _ in range(10):
        _, events = submit(runner, "speak", "hello", 0.1)
        execution, number, cancelled = events.value()
        assert (len(execution), number, cancelled) == (36, 1, False)
        assert events.of("progress") == [(1.0, 4.0, "first")]
        assert events.of("log") == [("info", "hello")]
        came_twice.append(events)
    # Where Ray is the faster one, as in one of ten, what the link brings after it is dropped.
    until("both ways have brought most", lambda: sum(len(each.of("done")) == 2 for each in came_twice) >= 5)
    for each in came_twice:
        assert len(set(map(encode_outcome, each.of("done")))) == 1


@pytest.mark.parametrize("task", ["rest", "rest_async"])
def test_cancel_interrupts_what_sleeps(runner, task):
    handle, events = submit(runner, task)
    events.place()
    began = time.monotonic()
    runner.cancel(handle, force=False)
    outcome = events.outcome()
    assert (outcome.ending, time.monotonic() - began < 1) == ("INTERRUPTED", True)
    assert "link_tasks.py" in outcome.error.traceback
    report(f"interrupted after {1000 * (events.at('done') - began):.1f} ms")


def test_cancel_asked_for_before_it_is_known_to_run_reaches_it(runner):
    endings = set()
    for _ in range(20):
        handle, events = submit(runner, "rest")
        time.sleep(random.uniform(0, 0.004))
        runner.cancel(handle, force=False)
        endings.add(events.outcome(5).ending)
    assert endings <= {"CANCELLED", "INTERRUPTED"}
    report(f"endings: {endings}")


def test_hard_cancel_ends_what_ignores_interrupts(runner):
    handle, events = submit(runner, "deaf")
    pid = events.place().pid
    began = time.monotonic()
    runner.cancel(handle, force=True)
    outcome = events.outcome()
    assert (outcome.ending, outcome.error.code) == ("LOST", "ProcessCrashed")
    assert time.monotonic() - began < 1
    until("its process is gone", lambda: not alive(pid), 1)
    report(f"ended after {1000 * (events.at('done') - began):.1f} ms")


def test_hard_cancel_of_a_process_that_does_not_answer_is_rays_to_do(runner):
    handle, events = submit(runner, "rest")
    pid = events.place().pid
    os.kill(pid, signal.SIGSTOP)
    try:
        runner.cancel(handle, force=True)
        began = time.monotonic()
        # Ray loses one in some ten of these. A server asks again every 2 s, so does this.
        while not events.over.wait(2) and time.monotonic() - began < 30:
            runner.cancel(handle, force=True)
        outcome = events.outcome(1)
        report(f"{outcome.ending} after {time.monotonic() - began:.2f} s: {outcome.error.message[:80]}")
        assert outcome.ending in ("CANCELLED", "LOST")
        until("its process is gone", lambda: not alive(pid), 10)
        report(f"gone after {time.monotonic() - began:.2f} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_cancel_at_about_the_end_is_an_interrupt_or_too_late(runner):
    asked, plain = [], []
    for _ in range(300):
        handle, events = submit(runner, "brief", 0.01)
        chosen = asked if random.random() < 0.67 else plain
        chosen.append(events)
        if chosen is asked:
            time.sleep(random.uniform(0, 0.015))
            runner.cancel(handle, force=False)
        events.outcome()
    endings = [events.outcome().ending for events in asked]
    assert set(endings) <= {"SUCCEEDED", "INTERRUPTED", "CANCELLED"}
    assert {events.outcome().ending for events in plain} == {"SUCCEEDED"}
    report(f"of {len(asked)} cancelled: { {each: endings.count(each) for each in set(endings)} }")
    assert endings.count("INTERRUPTED") > 10
    assert endings.count("SUCCEEDED") > 10


def test_withdrawal_takes_back_what_waits_and_leaves_what_runs(runner):
    running, first = submit(runner, "rest", 1.0, num_cpus=2)
    first.place()
    waiting, second = submit(runner, "rest", 0.0, num_cpus=2)
    for handle in (running, waiting):
        runner.withdraw(handle)
    assert second.outcome(0.9).ending == "WITHDRAWN"
    assert first.value() == "rested"
    assert second.of("started") == []


def test_withdrawal_at_any_moment_finds_it_not_begun_or_lets_it_go_on(runner):
    endings = []
    for _ in range(100):
        handle, events = submit(runner, "brief", 0.01)
        time.sleep(random.uniform(0, 0.004))
        runner.withdraw(handle)
        endings.append(events.outcome().ending)
        assert not (endings[-1] == "WITHDRAWN" and events.of("started"))
    report(f"{ {each: endings.count(each) for each in set(endings)} }")
    assert set(endings) <= {"WITHDRAWN", "SUCCEEDED"}


def test_process_without_a_grant_stops_itself(runner, tmp_path):
    _, events = submit(runner, "journal", str(tmp_path / "journal"))
    pid = events.place().pid
    runner.grant(1.5)
    granted = time.monotonic()
    outcome = events.outcome()
    assert (outcome.ending, outcome.error.code) == ("LOST", "ProcessCrashed")
    until("its process is gone", lambda: not alive(pid), 1)
    last = last_line(tmp_path / "journal")
    assert last - granted < 1.5 + 1
    report(f"it stopped {last - granted:.2f} s after a grant of 1.5 s")


@pytest.mark.parametrize(
    ("order", "ending"), [("cancel", "CANCELLED"), ("withdraw", "WITHDRAWN"), ("kill", "CANCELLED")]
)
def test_what_waits_or_has_just_run_is_taken_back_without_harm_to_the_driver(runner, order, ending):
    """Ray aborts the driver over a cancel that meets the end of a task: here each meets one, if any does."""
    endings, errors = [], []
    for _ in range(40):
        batch = [submit(runner, "brief", 0.006) for _ in range(8)]
        time.sleep(random.uniform(0, 0.03))
        for handle, _ in batch:
            if order == "withdraw":
                runner.withdraw(handle)
            else:
                runner.cancel(handle, force=order == "kill")
        endings += [(events.outcome().ending, bool(events.of("started"))) for _, events in batch]
        errors += [events.outcome().error for _, events in batch if events.outcome().ending == "FAILED"]
    report(f"{ {each: endings.count(each) for each in set(endings)} }")
    assert (ending, True) not in endings
    assert (ending, False) in endings
    began = {"cancel": {"SUCCEEDED", "INTERRUPTED"}, "withdraw": {"SUCCEEDED"}, "kill": {"SUCCEEDED", "LOST"}}[order]
    assert {each for each, _ in endings} <= {ending, *began}, errors


def test_attempt_that_comes_when_authority_is_over_does_not_begin(runner):
    runner.grant(0)

    def refused():
        _, events = submit(runner, "rest", 0.0)
        outcome = events.outcome()
        return (outcome, events) if outcome.ending != "SUCCEEDED" else None

    # A process that has just run another still has the grant of then, for 3 s, and may begin this one under it.
    outcome, events = until("one comes to a process whose grant is over", refused, 20)
    assert (outcome.ending, outcome.error.code, events.of("started")) == ("LOST", "ServerStopped", [])


def test_driver_that_is_stopped_is_outlived_by_none_of_its_tasks():
    grant = 3.0
    with tempfile.TemporaryDirectory(prefix="rf-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        path = os.pathsep.join(str(each) for each in (PACKAGE, PACKAGE / "tests", Path(__file__).parent))
        driver = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("driver.py")), name, str(grant)],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": path, "HOME": name},
            stderr=subprocess.DEVNULL,
        )
        try:
            journal = folder / "journal"
            until("it runs", lambda: (folder / "pid").exists() and journal.exists(), 60)
            pid = int((folder / "pid").read_text())
            # Longer than the grant: it lives by being granted again.
            began = time.monotonic()
            until("it goes on", lambda: last_line(journal) > began + grant + 1, grant + 5)
            os.kill(driver.pid, signal.SIGSTOP)
            stopped = time.monotonic()
            until("it stops", lambda: not alive(pid), grant + 3)
            last = last_line(journal)
            assert last - stopped < grant + 1
            report(f"it stopped {last - stopped:.2f} s after its driver was, with a grant of {grant:g} s")
            os.kill(driver.pid, signal.SIGCONT)
            (folder / "end").touch()
            assert driver.wait(20) == 0
        finally:
            driver.kill()
            driver.wait()


def test_flood_of_logs_does_not_delay_a_result(runner):
    _, events = submit(runner, "flood", 50)
    assert events.value(60) == "flooded"
    ended = events.at("done")
    seconds = events.of("done")[0].run_seconds
    report(f"flooded for {seconds:.2f} s, done {ended - events.at('started'):.2f} s after started")
    assert ended - events.at("started") - seconds < 0.5
    until("what was dropped is said", lambda: any("dropped" in text for _, text in events.of("log")))


def test_result_whose_push_is_lost_comes_by_ray(runner, tmp_path):
    with other_hub(runner, TaskHub(log_to_stderr, ipc=tmp_path / "h", tcp_host=None, node_id="")) as hub:
        _, events = submit(runner, "rest", 1.0)
        events.place()
        hub.close()
        assert events.value() == "rested"
        assert len(events.of("done")) == 1


def test_tcp_with_curve_carries_the_same(runner):
    runner._ipc = False
    hub = runner._open_hub()
    runner._ipc = True
    address = decode_address(hub.address)
    assert address.ipc is None
    with other_hub(runner, hub):
        handle, events = submit(runner, "rest")
        assert alive(events.place().pid)
        runner.cancel(handle, force=False)
        assert events.outcome(1).ending == "INTERRUPTED"
        # Somebody who knows the server's key, and has a key pair of their own.
        public, secret = zmq.curve_keypair()
        hub.address = encode_address(msgspec.structs.replace(address, public_key=public, secret_key=secret))
        _, events = submit(runner, "rest", 0.0)
        assert (events.outcome().error.code, events.of("started")) == ("ServerStopped", [])


def test_keys_are_in_no_log_and_no_name(runner):
    key = decode_address(runner._hub.address).secret_key
    submit(runner, "nothing")[1].value()
    for file in Path(runner._connection.temp_dir).rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert key not in file.read_bytes()
    pids = [folder for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    for pid in pids:
        with contextlib.suppress(OSError):
            assert key not in (pid / "cmdline").read_bytes() + (pid / "environ").read_bytes()
