"""Where a server listens: ipc:// on its own machine, tcp:// for workers elsewhere."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from rayferry.bridge.ipc import IpcClaim
from rayferry.errors import StartError

# The kernel's limit for a unix socket's path.
MAX_PATH_BYTES = 107
MAX_PORT = 65_535


@dataclass(frozen=True)
class IpcEndpoint:
    path: Path

    def __str__(self) -> str:
        return f"ipc://{self.path}"


@dataclass(frozen=True)
class TcpEndpoint:
    # Without the brackets of an IPv6 address; `*` is every interface.
    host: str
    # 0: any that is free.
    port: int

    def __str__(self) -> str:
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost may mean anything: it counts as not."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


Endpoint = IpcEndpoint | TcpEndpoint


def parse_endpoint(text: str, option: str = "--listen") -> Endpoint:
    """Raises StartError, which names the option that the text came by."""
    if text.startswith("ipc://"):
        return _ipc(text, option)
    if text.startswith("tcp://"):
        return _tcp(text, option)
    raise StartError(
        "BAD_ENDPOINT",
        f"{option} expects ipc:// and an absolute path, like ipc:///run/rayferry/bridge.sock, "
        f"or tcp://HOST:PORT, got {text!r}.",
    )


def check_free(endpoint: str) -> None:
    """Raises StartError when it can't be bound as things stand, where that can be known; holds nothing."""
    parsed = parse_endpoint(endpoint)
    if isinstance(parsed, IpcEndpoint):
        IpcClaim(parsed.path).release()


def _ipc(text: str, option: str) -> IpcEndpoint:
    path = Path(text.removeprefix("ipc://"))
    if not path.is_absolute():
        raise StartError(
            "BAD_ENDPOINT",
            f"{option} expects an absolute path, like ipc:///run/rayferry/bridge.sock, got {text!r}.",
        )
    length = len(bytes(path))
    if length > MAX_PATH_BYTES:
        raise StartError(
            "ENDPOINT_TOO_LONG",
            f"The path of a unix socket has at most {MAX_PATH_BYTES} bytes, but {path} has {length}. "
            "Use a folder with a shorter path.",
        )
    return IpcEndpoint(path)


def _tcp(text: str, option: str) -> TcpEndpoint:
    match = re.fullmatch(r"tcp://(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s/:\[\]]+)):(?P<port>\d{1,5}|\*)", text)
    port = 0 if match is None or match["port"] == "*" else int(match["port"])
    if match is None or port > MAX_PORT:
        raise StartError(
            "BAD_ENDPOINT",
            f"{option} expects tcp://HOST:PORT, like tcp://10.0.0.5:6390 or tcp://[fd00::5]:6390, with a port up to "
            f"{MAX_PORT} (0 or *: one that is free), got {text!r}.",
        )
    return TcpEndpoint(match["six"] or match["host"], port)
