"""Ray's facts, and that nobody waits for a Ray that doesn't answer."""

import os
import signal
import threading

import msgspec
import pytest
from support import program, started_by, until

from rayferry.bridge.fields import ClusterFacts
from rayferry.log import no_log
from rayferry.ray.facts import NOTHING, ClusterWatch

FACTS = ClusterFacts(1, 2.0, 1.5, 0.0, 0.0, 4e9, 3e9, reachable=True)


class Asked:
    """A Ray whose answers come when the test says."""

    def __init__(self):
        self.now = 0.0
        self.answers = threading.Semaphore(0)
        self.error = None
        self.watch = ClusterWatch(no_log, self.ask, seconds=0.001, clock=lambda: self.now)

    def ask(self):
        self.answers.acquire()
        if self.error is not None:
            raise self.error
        return FACTS


@pytest.fixture
def asked():
    asked = Asked()
    yield asked
    asked.watch.close()
    asked.answers.release()


def test_nothing_is_known_before_an_answer_and_it_counts_as_gone_after_15_s(asked):
    assert asked.watch.facts() is None
    asked.now = 14.9
    assert asked.watch.facts() is None
    asked.now = 15.0
    assert asked.watch.facts() == NOTHING


def test_what_was_known_stays_when_answers_fail_or_do_not_come(asked):
    asked.answers.release()
    until("an answer", lambda: asked.watch.facts() == FACTS)
    asked.error = ConnectionError("no GCS")
    asked.answers.release(3)
    asked.now = 14.9
    assert asked.watch.facts() == FACTS
    asked.now = 15.1
    assert asked.watch.facts() == msgspec.structs.replace(FACTS, reachable=False)
    asked.error = None
    asked.answers.release()
    until("it answers again", lambda: asked.watch.facts() == FACTS)


def heard(worker, what, seconds=10):
    def look():
        # Or the session counts as detached after a while.
        worker.say(["heartbeat", 0])
        worker.receive()
        found = [message for message in worker.inbox if what(message)]
        worker.inbox.clear()
        return found

    return until("it is heard", look, seconds)[0]


@pytest.mark.ray
def test_server_says_what_its_ray_has_free(worker, running, tmp_path):
    free = lambda message: message[0] == "cluster" and message[1]["cpus_free"] == 2.0  # noqa: E731
    facts = heard(worker, free, 20)[1]
    assert (facts["nodes"], facts["cpus"], facts["gpus"], facts["reachable"]) == (1, 2.0, 0.0, True)
    assert 0 < facts["memory_free"] <= facts["memory"]
    release = tmp_path / "release"
    execution, _ = running("hold", str(release))
    heard(worker, lambda message: message[0] == "cluster" and message[1]["cpus_free"] == 1.0, 20)
    release.touch()
    assert worker.result(execution)["outcome"] == "SUCCEEDED"


@pytest.mark.ray
@pytest.mark.slow
def test_server_accepts_nothing_while_ray_does_not_answer_and_goes_on_itself(worker, sidecar):
    [gcs] = [pid for pid in started_by(str(sidecar.home)) if program(pid) == "gcs_server"]
    os.kill(gcs, signal.SIGSTOP)
    try:
        heard(worker, lambda message: message[0] == "heartbeat" and message[5] is False, 20)
        facts = heard(worker, lambda message: message[0] == "cluster")[1]
        assert (facts["reachable"], facts["cpus"]) == (False, 2.0)
    finally:
        os.kill(gcs, signal.SIGCONT)
    heard(worker, lambda message: message[0] == "heartbeat" and message[5] is True, 20)
    assert not [line for line in sidecar.logs() if "stood still" in line["msg"]]
    assert worker.run("add", [1])["decoded"] == 3
