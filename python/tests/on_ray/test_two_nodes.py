"""A cluster of two raylets on one machine: where a server's actor is made, and the ways to it from the other node."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from cluster import hosted, ray_head, ray_node
from support import PACKAGE, Worker, until

pytestmark = pytest.mark.ray

NODE_IP = "127.0.0.2"


@pytest.fixture(scope="module")
def head():
    with ray_head(alone=False) as found:
        yield found


@pytest.fixture(scope="module")
def second(head):
    """A node without CPUs, as a container joins for a worker's sake."""
    address, env = head
    with ray_node(address, env, NODE_IP, 0) as kill:
        yield kill


@pytest.fixture
def start(head, second, short):
    """Start sidecars on the second node; their servers are ended with the test."""
    address, env = head
    sidecars = []

    def run(*more, worker="w", node_ip=NODE_IP):
        folder = short / str(len(sidecars))
        folder.mkdir()
        sidecar = hosted(folder, address, env, "--worker", worker, *more, node_ip=node_ip).serving()
        sidecar.served = sidecar.event("serving")
        sidecars.append(sidecar)
        return sidecar

    yield run
    for sidecar in sidecars:
        if sidecar.process.poll() is None:
            with connect(sidecar.served) as worker:
                worker.greet(replaces=incarnations)
                worker.send(["close", "the test is over", True])
                sidecar.wait(10)
        sidecar.__exit__()


# Of these tests, which a last one may replace.
incarnations: list[str] = []


def connect(way):
    incarnations.append(str(uuid.uuid4()))
    keys = way["curve"]
    return Worker(
        way["endpoint"],
        incarnations[-1],
        None if keys is None else (keys["serverKey"], keys["publicKey"], keys["secretKey"]),
    )


def serving_line(sidecar):
    return next(line for line in sidecar.logs() if line["msg"] == "Serving.")


def test_from_a_node_without_cpus_the_server_is_made_on_the_head_and_reached_straight(start, tmp_path):
    sidecar = start()
    way = sidecar.served
    assert re.fullmatch(r"tcp://[\d.]+:\d+", way["endpoint"])
    assert NODE_IP not in way["endpoint"]
    with connect(way) as worker:
        worker.greet()
        assert worker.run("add", [1])["decoded"] == 3
    secrets = (way["curve"]["secretKey"], way["curve"]["publicKey"])
    assert not any(secret in line for secret in secrets for line in sidecar.lines)
    process = Path(f"/proc/{sidecar.pid}")
    for place in ("environ", "cmdline"):
        assert not any(secret.encode() in (process / place).read_bytes() for secret in secrets), place
    until("the actor's own log says where", lambda: said(sidecar, "Listening to workers on other nodes too."))
    # Whoever wasn't admitted isn't let in.
    with Worker(way["endpoint"], curve=(way["curve"]["serverKey"], *fresh_pair())) as stranger:
        stranger.hello()
        until("it is refused", lambda: said(sidecar, "Refused a client: its key isn't an allowed one. Only workers"))
        assert stranger.quiet(0, loose_too=True)
        assert stranger.frames == []


def test_server_is_made_where_it_is_asked_for_and_reached_by_its_socket(start):
    sidecar = start("--host-on", "node", worker="beside")
    assert sidecar.served["endpoint"].startswith("ipc://")
    assert sidecar.served["curve"] is None
    with connect(sidecar.served) as worker:
        worker.greet()
        assert worker.run("add", [1])["decoded"] == 3


def test_server_that_lives_elsewhere_already_is_used_and_both_nodes_are_named(start):
    first = start(worker="placed")
    where = serving_line(first)["node"]
    with connect(first.served) as worker:
        epoch = worker.greet().epoch
        first.kill()
        second = start("--host-on", "node", worker="placed")
        assert serving_line(second)["node"] == where
        warning = said(second, "This worker's server lives on")
        assert warning["level"] == "warn"
        assert re.search(r"lives on [\d.]+ \(.*, the head\) already, though .* asks for 127\.0\.0\.2", warning["msg"])
        with connect(second.served) as successor:
            assert successor.greet(replaces=[worker.incarnation]).epoch == epoch


def test_unknown_node_is_refused_with_the_alive_ones(head, second, short):
    address, env = head
    with hosted(short, address, env, "--host-on", "10.9.9.9") as sidecar:
        fatal = sidecar.fatal(60)
    assert fatal["code"] == "UNKNOWN_NODE"
    assert fatal["msg"].startswith("--host-on 10.9.9.9 is no node of this cluster. It takes head, node")
    assert "the head)" in fatal["msg"]
    assert f"{NODE_IP} (" in fatal["msg"]


def test_straight_is_faster_than_through_the_actors_handle(head, second, short, capsys):
    """Prints both; docs/bridge.md has the figures."""
    address, env = head
    program = Path(__file__).parent / "both_ways.py"
    path = os.pathsep.join(
        [str(PACKAGE), str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "project")]
    )
    run = subprocess.run(
        [sys.executable, str(program), address, NODE_IP, str(short)],
        env={**os.environ, **env, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with capsys.disabled():
        sys.stdout.write(f"\n{run.stdout}")
    figures = dict(re.findall(r"^(\w+): .*?([\d.]+) ms", run.stdout, re.M))
    assert float(figures["straight"]) < float(figures["relayed"]) / 2


def said(sidecar, beginning):
    return next((line for line in sidecar.logs() if line["msg"].startswith(beginning)), None)


def fresh_pair():
    import zmq

    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()
