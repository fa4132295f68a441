"""Which node of a cluster a server's actor goes to."""

import dataclasses

import pytest

pytest.importorskip("ray")
from rayferry.errors import StartError
from rayferry.ray.placement import Node, choose_node

HEAD = Node("aaaa1111" + "0" * 48, "10.0.0.1", "ray-head", True, True, 8)
WORKHORSE = Node("aaaa2222" + "0" * 48, "10.0.0.2", "ray-2", True, False, 8)
CONTAINER = Node("bbbb3333" + "0" * 48, "10.0.0.3", "web", True, False, 0)
DEAD = Node("cccc4444" + "0" * 48, "10.0.0.4", "ray-4", False, False, 0)
NODES = [DEAD, CONTAINER, WORKHORSE, HEAD]


@pytest.mark.parametrize(
    ("asked", "here", "chosen"),
    [
        # Unasked: one that outlives the worker.
        (None, HEAD, HEAD),
        (None, WORKHORSE, WORKHORSE),
        (None, CONTAINER, HEAD),
        (None, DEAD, HEAD),
        ("head", CONTAINER, HEAD),
        ("head", WORKHORSE, HEAD),
        ("node", CONTAINER, CONTAINER),
        ("node", HEAD, HEAD),
        (WORKHORSE.id, HEAD, WORKHORSE),
        ("aaaa2222", HEAD, WORKHORSE),
        ("AAAA22220", HEAD, WORKHORSE),
        ("10.0.0.3", HEAD, CONTAINER),
        ("web", HEAD, CONTAINER),
    ],
)
def test_node_that_is_chosen(asked, here, chosen):
    assert choose_node(asked, here.id, NODES) == chosen


@pytest.mark.parametrize("asked", ["aaaa", "10.0.0", "dddd5555", "ray", "127.0.0.1"])
def test_unknown_node_is_refused_with_those_that_are_alive(asked):
    with pytest.raises(StartError) as raised:
        choose_node(asked, HEAD.id, NODES)
    assert raised.value.code == "UNKNOWN_NODE"
    assert f"--host-on {asked} is no node of this cluster" in str(raised.value)
    assert "10.0.0.1 (ray-head, id aaaa1111, the head)" in str(raised.value)
    assert "10.0.0.3 (web, id bbbb3333)" in str(raised.value)
    assert DEAD.address not in str(raised.value)


@pytest.mark.parametrize("asked", ["cccc4444", "10.0.0.4", "ray-4"])
def test_dead_node_is_said_to_be_dead(asked):
    with pytest.raises(StartError, match="was a node of this cluster and is dead"):
        choose_node(asked, HEAD.id, NODES)


def test_host_name_of_several_nodes_isnt_guessed():
    with pytest.raises(
        StartError, match=r"--host-on web fits 2 nodes, .*10\.0\.0\.3.*10\.0\.0\.9.*by its id"
    ) as raised:
        choose_node("web", HEAD.id, [*NODES, dataclasses.replace(CONTAINER, id="ee" * 28, address="10.0.0.9")])
    assert raised.value.code == "UNKNOWN_NODE"


def test_cluster_without_a_head_and_without_us():
    with pytest.raises(StartError, match="neither a head nor this node"):
        choose_node(None, DEAD.id, [DEAD, WORKHORSE])
