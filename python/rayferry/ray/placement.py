"""On which node of the cluster the actor that hosts a server is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import ray

from rayferry.errors import StartError

_HEAD = "node:__internal_head__"
# Ray's ids have 56 digits.
_ID_PREFIX = re.compile(r"[0-9a-f]{8,56}")


@dataclass(frozen=True)
class Node:
    id: str
    address: str
    host_name: str
    is_alive: bool
    is_head: bool
    cpus: float

    def __str__(self) -> str:
        return f"{self.address} ({self.host_name}, id {self.id[:8]}{', the head' if self.is_head else ''})"


def read_nodes() -> list[Node]:
    return [
        Node(
            id=str(node["NodeID"]),
            address=str(node["NodeManagerAddress"]),
            host_name=str(node["NodeManagerHostname"]),
            is_alive=bool(node["Alive"]),
            is_head=_HEAD in node["Resources"],
            cpus=float(node["Resources"].get("CPU", 0)),
        )
        for node in ray.nodes()
    ]


def choose_node(asked: str | None, here: str, nodes: Sequence[Node]) -> Node:
    """`asked`: head, node (the worker's own, `here`), an id or its beginning, an address, a host name; None: one that
    outlives the worker. Raises StartError."""
    alive = [node for node in nodes if node.is_alive]
    own = [node for node in alive if node.id == here]
    head = [node for node in alive if node.is_head]
    if asked is None:
        # Ours if it is the head or offers CPUs: one without them joined for the worker's sake, and ends with it.
        stays = [node for node in own if node.is_head or node.cpus > 0] or head or own
        if stays:
            return stays[0]
        raise StartError("RAY_UNREACHABLE", "The cluster's list of nodes has neither a head nor this node.")
    found = {"head": head, "node": own}.get(asked) or [node for node in alive if _fits(node, asked)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(str(node) for node in (found or alive))
    if found:
        raise StartError("UNKNOWN_NODE", f"--host-on {asked} fits {len(found)} nodes, {listed}. Name one by its id.")
    is_dead = any(_fits(node, asked) for node in nodes if not node.is_alive)
    what = "was a node of this cluster and is dead" if is_dead else "is no node of this cluster"
    raise StartError(
        "UNKNOWN_NODE",
        f"--host-on {asked} {what}. It takes head, node (the worker's own), or a node's id (its first 8 digits are "
        f"enough), address or host name. Alive are: {listed}.",
    )


def _fits(node: Node, asked: str) -> bool:
    if asked in (node.address, node.host_name):
        return True
    return _ID_PREFIX.fullmatch(asked.lower()) is not None and node.id.startswith(asked.lower())
