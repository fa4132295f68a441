"""What a server's log says of a worker that it hears no more."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import until

SUPPORT = Path(__file__).parent.parent

# A worker that says hello and then each tenth of a second that it lives, until it is killed or stopped.
SPEAKING = """
import sys, time
from support import Worker
worker = Worker(sys.argv[1])
worker.greet()
while True:
    worker.say(["heartbeat", 0])
    worker.receive()
    time.sleep(0.1)
"""


def worker_process(endpoint):
    return subprocess.Popen([sys.executable, "-c", SPEAKING, endpoint], env={**os.environ, "PYTHONPATH": str(SUPPORT)})


def said(hosted, beginning):
    return [fields for msg, fields in hosted.said if msg.startswith(beginning)]


def session_of(hosted):
    until("a session", lambda: hosted.server.sessions)
    return hosted.server.sessions[0].incarnation


def test_a_worker_that_is_killed(hosted):
    with worker_process(hosted.endpoint) as process:
        incarnation = session_of(hosted)
        process.kill()
    ended = "A worker's connection has ended: its process ended, or the network cut it."
    until("it is told", lambda: said(hosted, ended), 5)
    [fields] = said(hosted, ended)
    assert (fields["worker"], fields["incarnation"]) == ("tester", incarnation)
    assert fields["silent_seconds"] < 2.5


@pytest.mark.slow
def test_a_worker_that_is_stopped(hosted):
    with worker_process(hosted.endpoint) as process:
        session_of(hosted)
        os.kill(process.pid, signal.SIGSTOP)
        silent = "A worker fell silent, ZeroMQ's pings too: its process is stopped"
        until("it is told", lambda: said(hosted, silent), 10)
        process.kill()
    assert said(hosted, silent)[0]["silent_seconds"] >= 2.5
    assert not said(hosted, "A worker's connection has ended")


def test_a_worker_whose_event_loop_is_stuck(hosted, worker):
    worker.auto_ack = False
    worker.greet()
    hosted.server.authority.seconds = 60
    # Its sockets' thread goes on answering pings.
    hosted.ahead = 11
    stuck = "A worker is connected, but hasn't spoken for 10 s: its event loop is stuck."
    until("it is told", lambda: said(hosted, stuck))
    assert said(hosted, stuck)[0]["incarnation"] == worker.incarnation
    worker.say(["heartbeat", 0])
    until("it is attached again", lambda: hosted.server.sessions[0].attached)
