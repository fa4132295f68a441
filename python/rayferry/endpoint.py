"""Whether an endpoint can be bound: ZeroMQ itself would steal a live one without a word."""

from __future__ import annotations

import socket
from pathlib import Path

from rayferry.errors import StartError

# The kernel's limit for a unix socket's path.
MAX_PATH_BYTES = 107


def check_endpoint(endpoint: str) -> Path:
    """The path of an ipc:// endpoint, free to be bound. Raises StartError."""
    if not endpoint.startswith("ipc://") or not endpoint.removeprefix("ipc://").startswith("/"):
        raise StartError(
            "BAD_ENDPOINT",
            f"--endpoint expects ipc:// and an absolute path, like ipc:///run/rayferry/bridge.sock, got {endpoint!r}. "
            "tcp:// isn't supported yet.",
        )
    path = Path(endpoint.removeprefix("ipc://"))
    length = len(bytes(path))
    if length > MAX_PATH_BYTES:
        raise StartError(
            "ENDPOINT_TOO_LONG",
            f"The path of a unix socket has at most {MAX_PATH_BYTES} bytes, but {path} has {length}. "
            "Use a folder with a shorter path.",
        )
    if not path.parent.is_dir():
        raise StartError("BAD_ENDPOINT", f"--endpoint is in {path.parent}, which isn't a folder. Create it first.")
    if path.exists():
        if _is_live(path):
            raise StartError(
                "ENDPOINT_IN_USE",
                f"Another process serves {path}: two workers have the same endpoint. Give each worker its own folder.",
            )
        path.unlink(missing_ok=True)
    return path


def _is_live(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # It answers, or isn't ours to judge: don't take it away.
            return True
        return True
