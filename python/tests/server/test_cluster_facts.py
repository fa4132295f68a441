"""What the server says of Ray, and that it takes no work while Ray can't be reached."""

import msgspec
import pytest
from model.stage import Peer, Stage

from rayferry.bridge.fields import ClusterFacts

FACTS = ClusterFacts(1, 2.0, 1.5, 0.0, 0.0, 4e9, 3e9, reachable=True)


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def peer(stage):
    peer = Peer(stage)
    peer.greet()
    return peer


def seconds(stage, peer, count):
    """One after another: what is said of Ray, and whether work is taken."""
    said = []
    for _ in range(count):
        stage.now += 1.0
        messages = peer.say(["authority", stage.now - 1], seq=0)
        cluster = [message[1] for message in messages if message[0] == "cluster"]
        said.append((cluster, [message[5] for message in messages if message[0] == "heartbeat"]))
    return said


def test_without_ray_nothing_is_said_of_it(stage, peer):
    assert seconds(stage, peer, 3) == [([], [True])] * 3


def test_facts_are_told_each_five_seconds_and_to_a_new_session_at_once(stage, peer):
    stage.runner.facts = FACTS
    told = [len(cluster) for cluster, _ in seconds(stage, peer, 11)]
    assert told == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    other = Peer(stage, "two")
    other.greet(role="drain")
    [(cluster, accepting)] = seconds(stage, other, 1)
    assert (cluster, accepting) == ([msgspec.to_builtins(FACTS)], [True])


def test_while_ray_cannot_be_reached_nothing_is_accepted(stage, peer):
    stage.runner.facts = FACTS
    seconds(stage, peer, 2)
    stage.runner.facts = msgspec.structs.replace(FACTS, reachable=False)
    gone = seconds(stage, peer, 2)
    assert [accepting for _, accepting in gone] == [[False], [False]]
    assert [[each["reachable"] for each in cluster] for cluster, _ in gone] == [[False], []]
    stage.runner.facts = FACTS
    [(cluster, accepting)] = seconds(stage, peer, 1)
    assert (cluster, accepting) == ([msgspec.to_builtins(FACTS)], [True])
