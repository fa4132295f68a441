"""An ipc path of our own: ZeroMQ binds over a live socket without a word, and leaves its file behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import struct
from pathlib import Path

from rayferry.errors import StartError

# Seconds to connect to a unix socket: the kernel answers at once, unless its backlog is full.
PROBE_SECONDS = 1.0


class IpcClaim:
    """The right to bind a path, from the constructor to `release`.

    A lock file beside it keeps other servers away, and the kernel drops that lock with the process that held it. What
    doesn't know of the lock is found by connecting: before the bind somebody answers, after it somebody else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._inode: int | None = None
        check_folder(path.parent)
        self._lock = self._acquire()
        try:
            if is_live(path):
                raise in_use(path)
            # Left by a process that is dead, or it would have the lock, or have answered.
            path.unlink(missing_ok=True)
        except BaseException:
            self.release()
            raise

    def verify(self) -> None:
        """After the bind. Raises StartError when it isn't this process that listens there."""
        self._inode = self._path.stat().st_ino
        listener = _listener(self._path)
        if listener not in (None, os.getpid()):
            self._inode = None
            self.release()
            raise in_use(self._path, f" (process {listener} took it while this one started)")

    def release(self) -> None:
        """Remove the files, but not a socket that is somebody else's by now. May be repeated, from any thread."""
        with contextlib.suppress(FileNotFoundError):
            if self._inode is not None and self._path.lstat().st_ino == self._inode:
                self._path.unlink(missing_ok=True)
        lock, self._lock = self._lock, -1
        if lock != -1:
            # While it is still held: whoever waits for it then finds that the file it opened is no longer there.
            self._lock_path.unlink(missing_ok=True)
            os.close(lock)

    def _acquire(self) -> int:
        while True:
            lock = os.open(self._lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_ino == self._lock_path.stat().st_ino:
                    return lock
            except BlockingIOError:
                os.close(lock)
                raise in_use(self._path) from None
            except FileNotFoundError:
                pass
            # The one who held it has just removed it.
            os.close(lock)


def check_folder(folder: Path) -> None:
    """Whoever may enter the folder may connect, so it must be ours alone. Raises StartError."""
    try:
        found = folder.lstat()
    except OSError:
        raise StartError(
            "BAD_ENDPOINT", f"The endpoint is in {folder}, which isn't there. Create it first: mkdir -m 700 {folder}"
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise StartError("BAD_ENDPOINT", f"The endpoint is in {folder}, which isn't a folder. Name the folder itself.")
    if found.st_uid != os.geteuid():
        raise StartError(
            "FOLDER_OPEN",
            f"{folder} belongs to user {found.st_uid}, and this process is user {os.geteuid()}: "
            "its owner could take the socket away. Use a folder of your own.",
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise StartError(
            "FOLDER_OPEN",
            f"Other users may enter {folder} (mode {mode:04o}), and whoever may enter it may run tasks here. "
            f"Close it: chmod 700 {folder}",
        )


def is_live(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # It answers, or isn't ours to judge: don't take it away.
            return True
        return True


def in_use(path: Path, how: str = "") -> StartError:
    return StartError(
        "ENDPOINT_IN_USE",
        f"Another process serves {path}{how}: two servers have the same endpoint. Give each a path of its own.",
    )


def _listener(path: Path) -> int | None:
    """Pid of the process that listens there; None where the kernel doesn't say."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return -1
        pid, _uid, _gid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid)
