"""The link that this process has, if it has one, and how an attempt begins and ends on it."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from rayferry.member import SIGNAL, Member, interrupts
from rayferry.outcome import Outcome, failed
from rayferry.tasklink.leave import EXIT_TIMEOUT, LAST_RESORT_SECONDS, arm_last_resort, disarm_last_resort, leave
from rayferry.timeouts import TimeoutThread

if TYPE_CHECKING:
    from rayferry.tasklink.client import ProcessLink

_timeout_thread: TimeoutThread | None = None
_link: ProcessLink | None = None
_address: bytes | None = None
# Why there is none though there should be.
_missing: str | None = None

# A node that refuses at once would always be free, and draw what others could run.
REFUSE_SECONDS = 1.0


def link_to(address: bytes | None, worker_id: str | None, node_id: str | None) -> ProcessLink | None:
    """The link to that hub: kept from one attempt to the next. None where there is no hub, or this node can't: then no
    attempt begins, for it wouldn't end with its server's authority."""
    global _link, _address, _missing
    if address == _address:
        return _link
    if _link is not None:
        # Another driver's hub: this process is that one's now.
        _link.close()
        _link = None
    _address, _missing = address, None
    if address is not None:
        _connect(address, worker_id, node_id)
    interrupts.heed_ray = _link is None
    return _link


def begin(link: ProcessLink | None, member: Member, ray_task_id: str | None) -> Outcome | None:
    """Make it this process's current attempt. Otherwise: what became of it instead."""
    if _missing is not None:
        time.sleep(REFUSE_SECONDS)
        return failed("MissingPackage", _missing, "LOST")
    if link is None:
        interrupts.current = member
        _watch_timeout(member)
        return None
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


def end(link: ProcessLink | None, member: Member, encoded: bytes | None) -> None:
    global _timeout_thread
    if _timeout_thread is not None:
        _timeout_thread.end()
        _timeout_thread = None
    if link is None:
        interrupts.current = None
    else:
        link.end(member, encoded)
    if member.timeout is not None:
        disarm_last_resort()


def _watch_timeout(member: Member) -> None:
    """Without a link: its control thread would do it."""
    global _timeout_thread
    timeout, main = member.timeout, threading.main_thread().ident
    if timeout is None or main is None:
        return

    def interrupt() -> None:
        member.ask("timeout")
        if member.must_be_told:
            signal.pthread_kill(main, SIGNAL)

    def kill() -> None:
        arm_last_resort(LAST_RESORT_SECONDS)
        leave(EXIT_TIMEOUT, f"execution {member.execution} (fence {member.fence}): {timeout.killed().message}")

    _timeout_thread = TimeoutThread(timeout, interrupt, kill)


def _connect(address: bytes, worker_id: str | None, node_id: str | None) -> None:
    global _link, _address, _missing
    try:
        from rayferry.tasklink.client import ProcessFacts, ProcessLink
    except ImportError as error:
        # Asked again by the next attempt: it may be installed by then.
        _address = None
        _missing = (
            f"It didn't begin: on node {platform.node()} the Python at {sys.executable} can't import pyzmq ({error}), "
            "without which rayferry can neither watch nor stop a task. Install what rayferry needs on every node "
            "of the cluster: pip install pyzmq msgspec."
        )
        return
    from rayferry.tasklink.messages import decode_address

    _link = ProcessLink(decode_address(address), ProcessFacts(worker_id, node_id), interrupts)


def _forget() -> None:
    """In a process that a task forked: the socket and its thread are the parent's."""
    global _link, _address
    # Not closed, nor let go of: either would touch what the parent uses.
    _left.append(_link)
    _link = _address = None


_left: list[ProcessLink | None] = []
os.register_at_fork(after_in_child=_forget)
