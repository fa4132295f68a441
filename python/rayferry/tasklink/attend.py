"""The link that this process has, and how an attempt begins and ends on it."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import TYPE_CHECKING

from rayferry.member import Member, interrupts
from rayferry.outcome import Outcome, failed
from rayferry.tasklink.leave import LAST_RESORT_SECONDS, arm_last_resort, disarm_last_resort

if TYPE_CHECKING:
    from rayferry.tasklink.client import ProcessLink

_link: ProcessLink | None = None
_address: bytes | None = None

# A node that refuses at once would always be free, and draw what others could run.
REFUSE_SECONDS = 1.0


def link_to(address: bytes, worker_id: str | None, node_id: str | None) -> ProcessLink | Outcome:
    """The link to that hub: kept from one attempt to the next. Where this node can't have one: what becomes of the
    attempt, which must not begin, for it wouldn't end with its server's authority."""
    global _link, _address
    if _link is not None and address == _address:
        return _link
    if _link is not None:
        # Another driver's hub: this process is that one's now.
        _link.close()
        _link = None
    try:
        from rayferry.tasklink.client import ProcessFacts, ProcessLink
    except ImportError as error:
        # Asked again by the next attempt: it may be installed by then.
        time.sleep(REFUSE_SECONDS)
        sentence = (
            f"It didn't begin: on node {platform.node()} the Python at {sys.executable} can't import pyzmq ({error}), "
            "without which rayferry can neither watch nor stop a task. Install what rayferry needs on every node "
            "of the cluster: pip install pyzmq msgspec."
        )
        return failed("MissingPackage", sentence, "LOST")
    from rayferry.tasklink.messages import decode_address

    _link, _address = ProcessLink(decode_address(address), ProcessFacts(worker_id, node_id), interrupts), address
    return _link


def begin(link: ProcessLink, member: Member, ray_task_id: str | None) -> Outcome | None:
    """Make it this process's current attempt. Otherwise: what became of it instead."""
    match link.begin(member, ray_task_id):
        case "WITHDRAWN":
            return failed("Withdrawn", "It was withdrawn before it began.", "WITHDRAWN")
        case "NO_AUTHORITY":
            sentence = "It didn't begin: its server had no authority, or couldn't be reached from where it should run."
            return failed("ServerStopped", sentence, "LOST")
        case _:
            return None


def watch(member: Member) -> None:
    """Once it is the current one, and before its code begins."""
    if member.timeout is not None:
        arm_last_resort(member.timeout.kill_seconds + LAST_RESORT_SECONDS)


def end(link: ProcessLink, member: Member, encoded: bytes | None) -> None:
    link.end(member, encoded)
    if member.timeout is not None:
        disarm_last_resort()


def _forget() -> None:
    """In a process that a task forked: the socket and its thread are the parent's."""
    global _link, _address
    # Not closed, nor let go of: either would touch what the parent uses.
    _left.append(_link)
    _link = _address = None


_left: list[ProcessLink | None] = []
os.register_at_fork(after_in_child=_forget)
