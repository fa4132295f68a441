"""A server's loop that stands still is noticed, and what it stands in is named."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support import PACKAGE, PROJECT, Worker, until

from rayferry.server.watchdog import LOOK_SECONDS, STUCK_SECONDS, Watchdog

SCRIPT = Path(__file__).parent / "stalling_server.py"


@pytest.fixture
def process(tmp_path):
    command = [sys.executable, str(SCRIPT), f"ipc://{tmp_path}/s.sock"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE), str(PROJECT)])}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def logs(process):
    lines = []

    def read():
        for line in process.stderr:
            lines.append(json.loads(line))

    reader = threading.Thread(target=read)
    reader.start()
    until("the server serves", lambda: any(line["msg"] == "Serving." for line in lines))
    yield lines
    process.kill()
    reader.join(10)


@pytest.fixture
def worker(tmp_path, logs):
    with Worker(f"ipc://{tmp_path}/s.sock") as worker:
        worker.greet()
        yield worker


def said(logs, beginning):
    return [line for line in logs if line["msg"].startswith(beginning)]


def test_a_step_that_blocks_is_named_while_it_lasts_and_its_end_is_told(logs, worker):
    worker.submit("echo", ["wait"])
    until("both lines", lambda: said(logs, "The server's loop goes on after standing still for "))
    [stuck] = said(logs, "The server's loop has stood still for ")
    assert "s in wait_for_a_slow_answer(): until it goes on" in stuck["msg"]
    frames = stuck["traceback"].splitlines()
    assert len(frames) <= 8
    assert f'File "{SCRIPT}"' in frames[-1]
    assert frames[-1].endswith("in wait_for_a_slow_answer: time.sleep(1.0)")
    assert "in submit: " in frames[-2]
    [goes_on] = said(logs, "The server's loop goes on")
    assert 1.0 <= float(goes_on["msg"].split()[-2]) < 3.0
    assert goes_on["time"] > stuck["time"]
    worker.expect("result")


def test_a_lock_that_is_kept_by_a_computation_is_told_afterwards(logs, worker):
    worker.submit("echo", ["compute"])
    until("the line", lambda: said(logs, "No thread of the server ran for "))
    worker.expect("result")
    assert any("something held Python's interpreter lock" in line["msg"] for line in logs)


@pytest.mark.parametrize("how", ["the process is stopped", "the lock is kept in a sleep"])
def test_a_process_in_which_nothing_ran_is_not_taken_for_a_loop_that_hangs(process, logs, worker, how):
    if how == "the process is stopped":
        os.kill(process.pid, signal.SIGSTOP)
        began = time.monotonic()
        until("it was stopped for a second", lambda: time.monotonic() - began > 1)
        os.kill(process.pid, signal.SIGCONT)
    else:
        worker.submit("echo", ["sleep"])
    until("the line", lambda: said(logs, "No thread of the server ran for "))
    assert worker.expect("heartbeat")
    [line, *_] = said(logs, "No thread of the server ran for ")
    assert not said(logs, "The server's loop")
    assert "the process was stopped (SIGSTOP, a debugger) or starved" in line["msg"]


class Moments:
    """A watchdog on a clock of the test's."""

    def __init__(self):
        self.now = self.cpu = 0.0
        self.said = []
        self.watchdog = Watchdog(self._log, clock=lambda: self.now, cpu=lambda: self.cpu)

    def _log(self, level, msg, **fields):
        self.said.append(msg)

    def looks_for(self, seconds):
        for _ in range(round(seconds / LOOK_SECONDS)):
            self.now += LOOK_SECONDS
            self.watchdog.look()

    def misses(self, seconds):
        self.now += LOOK_SECONDS + seconds
        self.watchdog.look()


def test_one_line_for_each_stall():
    moments = Moments()
    moments.looks_for(STUCK_SECONDS - LOOK_SECONDS)
    assert moments.said == []
    moments.looks_for(10)
    assert len(moments.said) == 1
    moments.watchdog.turned()
    moments.looks_for(1)
    assert moments.said[1:] == ["The server's loop goes on after standing still for 12.8 s."]
    moments.looks_for(STUCK_SECONDS)
    assert "has stood still for" in moments.said[2]


def test_what_the_watcher_missed_itself_is_not_the_loops():
    moments = Moments()
    moments.looks_for(2)
    moments.misses(60)
    assert len(moments.said) == 1
    assert moments.said[0].startswith("No thread of the server ran for 60.0 s: the process was stopped")
    moments.looks_for(0.5)
    assert len(moments.said) == 1
    # The loop has had its three seconds now.
    moments.looks_for(0.25)
    assert "has stood still for 3.0 s" in moments.said[1]


def test_a_loop_that_turned_after_a_stop_has_its_whole_time_again():
    moments = Moments()
    moments.misses(60)
    moments.watchdog.turned()
    moments.looks_for(STUCK_SECONDS - LOOK_SECONDS)
    assert len(moments.said) == 1
    moments.looks_for(LOOK_SECONDS)
    assert "has stood still for 3.0 s" in moments.said[1]
