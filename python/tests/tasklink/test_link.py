"""Hub and task process together, over real ZeroMQ, in this process or in one of their own."""

import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid

import pytest
from effort import rounds
from support import PACKAGE, alive, until

from rayferry.execute import execute
from rayferry.member import Member, interrupts
from rayferry.outcome import encode_outcome
from rayferry.tasklink import attend
from rayferry.tasklink.hub import TaskHub
from rayferry.tasklink.messages import Cancel
from tests.tasklink.own import Own
from tests.tasklink.peers import Heard, path_of, said, short_folder

JSON = "application/json"


@pytest.fixture(params=["ipc", "tcp"])
def hub(request):
    with short_folder() as folder:
        ipc = request.param == "ipc"
        hub = TaskHub(
            said([]), ipc=path_of(folder) if ipc else None, tcp_host=None if ipc else "127.0.0.1", node_id="node"
        )
        hub.grant(60)
        yield hub
        hub.close()


@pytest.fixture
def link(hub):
    interrupts.install()
    yield attend.link_to(hub.address, "worker", "node")
    attend._link.close()
    attend._link = None
    interrupts.uninstall()


def run(hub, link, task, *arguments, during=None):
    """One attempt in this process, as the wrapper runs it."""
    execution = str(uuid.uuid4())
    heard = Heard()
    hub.expect(execution, 1, heard)
    member = Member(execution, 1, 1, link.report_of(execution, 1))
    assert attend.begin(link, member, "task") is None
    if during is not None:
        during(execution)
    outcome = execute("link_tasks", task, JSON, json.dumps(arguments).encode(), 1 << 20, member)
    attend.end(link, member, encode_outcome(outcome))
    return outcome, heard


def test_attempt_says_where_it_runs_what_it_says_and_how_it_ended(hub):
    with Own(hub, "speak", "hello") as own:
        own.ended()
        status, out, err = own.ends()
        assert (status, err) == (0, "")
        assert out == f'SUCCEEDED ["{own.execution}",1,false]'
        assert own.heard.of("begun") == [("begun", "worker", own.process.pid, None)]
        assert own.heard.of("log") == [("log", "info", "hello", 0)]
        assert own.heard.of("progress") == [("progress", 1.0, 4.0, "first")]
        assert [each[0] for each in own.heard.all][-1] == "ended"


@pytest.mark.parametrize("task", ["rest", "rest_async"])
def test_cancel_interrupts_within_a_second_and_tells_so(hub, task):
    with Own(hub, task) as own:
        own.begun()
        began = time.monotonic()
        hub.cancel(own.execution, 1)
        assert own.ends()[:2] == (0, "INTERRUPTED  TaskError")
        assert time.monotonic() - began < 1


def test_hard_cancel_ends_a_deaf_process_and_its_children(hub, tmp_path):
    with Own(hub, "parent", str(tmp_path / "pids")) as own:
        own.begun()
        pids = until("its child", lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text())
        began = time.monotonic()
        hub.cancel(own.execution, 1, hard=True)
        status, _, err = own.ends()
        assert (status, time.monotonic() - began < 1) == (70, True)
        assert f"execution {own.execution} (fence 1) is killed after a cancel" in err
        until("it said why", lambda: own.heard.of("leaving") == [("leaving", "cancel")])
        until("its child is gone", lambda: not any(alive(int(pid)) for pid in pids.split()))


def test_process_stops_itself_when_authority_has_run_out(hub, tmp_path):
    with Own(hub, "journal", str(tmp_path / "journal")) as own:
        own.begun()
        hub.grant(1.5)
        granted = time.monotonic()
        status, _, err = own.ends()
        assert status == 71
        assert "authority" in err
        last = float((tmp_path / "journal").read_text().splitlines()[-1])
        assert 0.5 < last - granted < 1.5 + 0.3


@pytest.mark.slow
def test_attempt_does_not_begin_without_authority(hub):
    hub.grant(0)
    with Own(hub, "rest", 0) as own:
        assert own.ends(20)[:2] == (0, "LOST  ServerStopped")
        assert own.heard.all == []


def test_withdrawn_attempt_does_not_begin(hub, link):
    execution = str(uuid.uuid4())
    run(hub, link, "nothing")
    hub.expect(execution, 1, Heard())
    hub.withdraw(execution, 1)
    until("it is told", lambda: (execution, 1) in link._withdrawn)
    assert attend.begin(link, Member(execution, 1, 1), None).ending == "WITHDRAWN"
    assert run(hub, link, "nothing")[0].ending == "SUCCEEDED"


def test_cancel_of_another_attempt_hits_nobody(hub, link):
    def during(execution):
        sent = threading.Event()

        # Its socket is the hub's thread's alone.
        def send():
            hub._send(hub._processes[next(iter(hub._processes))], [Cancel(execution, 2, True)])
            sent.set()

        hub.cancel(str(uuid.uuid4()), 1)
        hub.after(0, send)
        assert sent.wait(5)

    assert run(hub, link, "rest", 0.2, during=during)[0].ending == "SUCCEEDED"


@pytest.mark.parametrize("task", ["brief", "brief_async"])
def test_cancels_at_random_moments_hit_their_own_attempt_or_none(hub, task):
    """Attempts of up to 6 ms, most of them cancelled at about their end, and a cancel for one that has ended
    beside each. An interrupt outside of a body ends the process; one of an attempt that nobody cancelled fails this."""
    attempts = rounds(1000, brief=150)
    chance = random.Random(7)
    asked = set()

    class Cancelled(Heard):
        def __init__(self, fence):
            super().__init__()
            self.fence = fence

        def begun(self, process, ray_task_id):
            super().begun(process, ray_task_id)
            hub.after(chance.uniform(0, 0.007), lambda: hub.cancel(own.execution, max(1, self.fence - 1)))
            asked.add(max(1, self.fence - 1))
            if chance.random() < 0.67:
                asked.add(self.fence)
                hub.after(chance.uniform(0, 0.007), lambda: hub.cancel(own.execution, self.fence))

    with Own(hub, task, 0.006, attempts=attempts, listener=Cancelled) as own:
        status, out, err = own.ends(100)
    assert (status, err) == (0, "")
    ends = out.splitlines()
    assert len(ends) == attempts
    interrupted = {fence for fence, end in enumerate(ends, 1) if end.strip() == "INTERRUPTED  TaskError"}
    assert {end.strip() for end in ends} == {"INTERRUPTED  TaskError", 'SUCCEEDED "finished"'}
    assert interrupted <= asked
    sys.stdout.write(f"{len(asked)} of {attempts} cancelled, {len(interrupted)} interrupted\n")
    assert attempts / 50 < len(interrupted) < len(asked)


def test_flood_of_logs_delays_no_result_and_what_is_dropped_is_counted(hub, link):
    _, heard = run(hub, link, "flood", 50)
    ended = time.monotonic()
    until("its result", lambda: heard.of("ended"), 0.5)
    until("every piece came or is counted", lambda: sum(_pieces(each) for each in heard.of("log")) == 50 * 1024)
    assert time.monotonic() - ended < 2
    dropped = sum(each[3] for each in heard.of("log"))
    assert 0 < dropped < 50 * 1024
    sys.stdout.write(f"{dropped} pieces of {50 * 1024} were dropped\n")


def _pieces(log):
    _, level, _, dropped = log
    # The one that only says what was dropped is a warning.
    return dropped + (level == "debug")


def test_forked_child_uses_nothing_of_its_parents(hub):
    with Own(hub, "fork") as own:
        own.ended()
        status, out, err = own.ends()
        assert (status, out, err) == (0, 'SUCCEEDED ["NoAttempt",0]', "")
        assert own.heard.of("log") == [("log", "info", "from the parent", 0)]
        assert own.heard.of("progress") == []


def test_link_moves_to_another_hub_when_an_attempt_brings_its_address(hub, link):
    with short_folder() as folder:
        other = TaskHub(said([]), ipc=path_of(folder), tcp_host=None, node_id="node")
        other.grant(60)
        moved = attend.link_to(other.address, "worker", "node")
        assert moved is not link
        _, heard = run(other, moved, "rest", 0.1)
        until("its result", lambda: heard.of("ended"))
        other.close()


def test_node_without_pyzmq_begins_nothing_and_says_what_to_install(hub):
    """Its attempts would outlive their server's authority, and nobody could tell why one died."""
    code = (
        "import sys; sys.modules['zmq'] = None\n"
        "from rayferry.tasklink import attend\n"
        "from rayferry.tasklink.attend import begin, link_to\n"
        "attend.REFUSE_SECONDS = 0.1\n"
        "from rayferry.member import Member\n"
        "for _ in range(2):\n"
        f"    outcome = link_to(bytes.fromhex('{hub.address.hex()}'), 'w', 'n')\n"
        "    assert (outcome.ending, outcome.error.code) == ('LOST', 'MissingPackage'), outcome\n"
        "    print(outcome.error.message)\n"
        "del sys.modules['zmq']\n"
        f"link = link_to(bytes.fromhex('{hub.address.hex()}'), 'w', 'n')\n"
        "assert begin(link, Member('e', 3, 1), None) is None\n"
    )
    env = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    messages = done.stdout.splitlines()
    assert len(messages) == 2
    assert all("pip install pyzmq" in each and sys.executable in each for each in messages)
