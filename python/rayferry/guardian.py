"""A small process that outlives a sidecar with a Ray of its own, by as long as cleaning up takes.

The kernel ends Ray's main processes together with the sidecar, but tasks notice that only after 2 to 3 s, and Ray's
agents sometimes wait a minute for a control store that is dead. This one holds the end of a pipe; when the sidecar is
gone, however it died, it kills what carries the sidecar's mark in its environment or has a file of Ray's temp dir open,
and removes that dir. Both, because a process that sets its title writes over its environment, as Ray's agents do.

Run as a script, without this package or any other: it must work whatever else is broken.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

MARK = "RAYFERRY_SIDECAR"
_SECONDS = 5.0


def start_guardian(mark: str, folder: str | None) -> int:
    """Before the mark is in the environment. Gives the pipe's end, to be held open until this process ends."""
    read, write = os.pipe()
    subprocess.Popen(
        [sys.executable, "-I", __file__, mark, folder or ""],
        stdin=read,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Whoever kills the sidecar's group must not kill this too.
        start_new_session=True,
    )
    os.close(read)
    return write


def _guard(mark: str, folder: str) -> None:
    # A terminal's Ctrl-C or a supervisor's SIGTERM ends the sidecar; the pipe says when.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    deadline = time.monotonic() + _SECONDS
    # Again until none is found: one may just be starting another.
    while (pids := _left(mark, folder)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _left(mark: str, folder: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    proc = Path("/proc")
    # Without it (macOS) there is nothing to find; there Ray has such a process of its own.
    names = os.listdir(proc) if proc.is_dir() else []  # noqa: PTH208
    pids = [int(name) for name in names if name.isdecimal() and int(name) != os.getpid()]
    return [pid for pid in pids if _is_marked(pid, wanted) or (folder and _uses(pid, folder))]


# A process may vanish at any moment, and each call has its own error for that.


def _is_marked(pid: int, wanted: bytes) -> bool:
    with contextlib.suppress(OSError):
        return wanted in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _uses(pid: int, folder: str) -> bool:
    with contextlib.suppress(OSError):
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if str(Path(descriptor.path).readlink()).startswith(f"{folder}/"):
                    return True
    return False


if __name__ == "__main__":
    _guard(sys.argv[1], sys.argv[2])
