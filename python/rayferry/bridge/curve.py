"""Who may connect over CURVE. ZeroMQ checks that a client has its key's secret, and asks here whether it is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rayferry.errors import KeyFileError
from rayferry.keys import KeyPair, key_files, read_pair, read_public
from rayferry.log import Log


class Clients(Protocol):
    def allows(self, public_key: str) -> bool: ...


class CurveServer:
    """The server's own pair, and the clients that it lets in. `remedy`: what to do for one that is refused."""

    def __init__(
        self,
        pair: KeyPair,
        clients: Clients,
        remedy: str = "If it is yours, add its .pub file to --clients.",
    ) -> None:
        self.pair = pair
        self.clients = clients
        self.remedy = remedy

    @classmethod
    def from_files(cls, keys: Path, clients: Sequence[Path], log: Log) -> CurveServer:
        """Raises KeyFileError: everything is read once now, so that a mistake shows at the start."""
        return cls(read_pair(keys, "server"), ClientKeys(clients, log))


class ClientKeys:
    """Public keys of clients in files, or in folders of `.pub` files.

    Read again for each handshake (60 us for two files, beside 2 ms of CURVE), so what is added or taken away counts
    from the next connection on. A file that has become unreadable lets nobody in.
    """

    def __init__(self, places: Sequence[Path], log: Log) -> None:
        self._places = tuple(places)
        self._log = log
        files = key_files(self._places)
        if not files:
            raise KeyFileError(
                "NO_CLIENTS",
                "No client could ever connect: --clients names no public key. "
                "Name a client's .pub file, or a folder of them.",
            )
        for path in files:
            read_public(path, "client")

    def allows(self, public_key: str) -> bool:
        return public_key in self._read()

    def _read(self) -> set[str]:
        keys: set[str] = set()
        try:
            files = key_files(self._places)
        except KeyFileError as error:
            self._log("error", error.message, code=error.code, reason=error.reason)
            return keys
        for path in files:
            try:
                keys.add(read_public(path, "client"))
            except KeyFileError as error:
                self._log(
                    "error", f"{error.message} Until then it lets nobody in.", code=error.code, reason=error.reason
                )
        return keys
