"""A server in a detached actor: its work outlives the sidecar, and is found again."""

import os
import shutil
import signal
import uuid
from pathlib import Path

import pytest
from cluster import hosted
from support import Worker, alive, until

pytestmark = pytest.mark.ray


@pytest.fixture
def start(head, short):
    """Start sidecars of one worker name on the cluster; their servers are ended with the test."""
    address, env = head
    sidecars = []

    def run(*more, folder="one"):
        path = short / folder
        path.mkdir(exist_ok=True)
        sidecar = hosted(path, address, env, *more).serving()
        sidecar.endpoint = sidecar.event("serving")["endpoint"]
        sidecars.append(sidecar)
        return sidecar

    yield run
    for sidecar in sidecars:
        if sidecar.process.poll() is None:
            with Worker(sidecar.endpoint) as worker:
                worker.greet(replaces=worker_ids)
                worker.send(["close", "the test is over", True])
                sidecar.wait(10)
        sidecar.__exit__()


# Incarnations of these tests, which a last one may replace.
worker_ids: list[str] = []


def incarnation(sidecar):
    worker_ids.append(str(uuid.uuid4()))
    return Worker(sidecar.endpoint, worker_ids[-1])


def test_work_outlives_the_sidecar_and_the_next_one_finds_it(start, tmp_path):
    first = start()
    mark, release = tmp_path / "mark", tmp_path / "release"
    with incarnation(first) as worker:
        welcome = worker.greet()
        assert (welcome.generation[:6], welcome.authority_seconds) == ("0.1.0-", 600)
        assert welcome.pid != first.pid
        assert worker.run("add", [1])["decoded"] == 3
        running = worker.submit("hold", [str(mark), str(release)])
        pid = int(until("the task runs", lambda: mark.exists() and mark.read_text(), 30))
        first.kill()
        second = start()
        assert alive(pid)
        with incarnation(second) as successor:
            again = successor.greet(replaces=[worker.incarnation])
            assert (again.epoch, again.pid) == (welcome.epoch, welcome.pid)
            assert [running, 1, worker.incarnation] in [entry[:3] for entry in successor.inventory]
            successor.send(["adopt", [[running, 1]]])
            release.touch()
            assert successor.result(running)["decoded"] == "released"


def test_new_code_means_a_new_actor_and_the_old_one_is_reached_by_name_and_retires(start, short, tmp_path):
    old = start()
    release = tmp_path / "release"
    with incarnation(old) as worker:
        welcome = worker.greet()
        running = worker.submit("hold", [str(tmp_path / "mark"), str(release)])
        until("the task runs", (tmp_path / "mark").exists, 30)
        name = f"rayferry:w:d1:{welcome.generation}"
        old.kill()
        # The same task module with one more line.
        (short / "two").mkdir()
        shutil.copytree(short / "one" / "project", short / "two" / "project")
        new = start("--tasks", "packed", folder="two")
        with incarnation(new) as successor:
            assert successor.greet().epoch != welcome.epoch
            new.command("relay", name=name, namespace="rayferry")
            relayed = new.event("relay")
            assert (relayed["actor"], relayed["dead"], relayed["reason"]) == (name, False, None)
            with Worker(relayed["endpoint"], successor.incarnation) as drain:
                assert drain.greet(role="drain", replaces=[worker.incarnation]).epoch == welcome.epoch
                drain.send(["adopt", [[running, 1]]], ["retire", "new code"])
                release.touch()
                assert drain.result(running)["decoded"] == "released"
                drain.send(["recorded", [[running, 1]]])
                until("the old actor is gone", lambda: not alive(welcome.pid), 10)
            new.command("relay", name=name, namespace="rayferry")
            gone = new.event("relay")
            assert (gone["endpoint"], gone["dead"]) == (None, True)


def test_actor_that_is_killed_takes_its_tasks_along_and_is_said_to_be_dead(start, tmp_path):
    sidecar = start()
    with incarnation(sidecar) as worker:
        welcome = worker.greet()
        worker.submit("stubborn", [str(tmp_path / "mark")])
        pid = int(until("the task runs", lambda: (tmp_path / "mark").exists() and (tmp_path / "mark").read_text(), 30))
        os.kill(welcome.pid, signal.SIGKILL)
        assert sidecar.wait(15) == 5
        fatal = until("it says why", lambda: [line for line in sidecar.logs() if line["level"] == "fatal"])
        assert fatal[0]["code"] == "SERVER_DIED"
        until("its task is gone", lambda: not alive(pid), 10)


def test_actor_without_any_worker_ends_with_its_authority(start, tmp_path):
    sidecar = start("--orphan-grace", "4")
    with incarnation(sidecar) as worker:
        welcome = worker.greet()
        assert welcome.authority_seconds == 4
        worker.submit("stubborn", [str(tmp_path / "mark")])
        pid = int(until("the task runs", lambda: (tmp_path / "mark").exists() and (tmp_path / "mark").read_text(), 30))
        sidecar.kill()
        until("its task is stopped", lambda: not alive(pid), 10)
        until("the actor is gone", lambda: not alive(welcome.pid), 10)
        assert not Path(sidecar.endpoint.removeprefix("ipc://")).exists()
