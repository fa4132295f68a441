"""A small process that outlives a sidecar with a Ray of its own, by as long as cleaning up takes.

The kernel ends Ray's main processes together with the sidecar, but tasks notice that only after 2 to 3 s, and Ray's
agents sometimes wait a minute for a control store that is dead. This one holds the end of a pipe; when the sidecar is
gone, however it died, it kills what carries the sidecar's mark in its environment, and removes Ray's temp dir.

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
    while (pids := _marked(mark)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _marked(mark: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    proc = Path("/proc")
    # Without it (macOS) there is nothing to find; there Ray has such a process of its own.
    names = os.listdir(proc) if proc.is_dir() else []  # noqa: PTH208
    for name in names:
        # Any of them may vanish at any moment, and each call has its own error for that.
        with contextlib.suppress(OSError):
            if name.isdecimal() and wanted in (proc / name / "environ").read_bytes():
                found.append(int(name))
    return found


if __name__ == "__main__":
    _guard(sys.argv[1], sys.argv[2])
