"""`python -m rayferry keys`: makes key files where there is no Node; `rayferry keys` makes the same."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from rayferry.errors import StartError
from rayferry.host import check_packages
from rayferry.keys import NAME, ROLES, Role, write_pair


@dataclass(frozen=True)
class KeysOptions:
    folder: Path
    # (role, name) of each pair to make.
    pairs: tuple[tuple[Role, str], ...]


def add_keys_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="rayferry-keys", metavar="DIR", help="default %(default)s")
    parser.add_argument("--name", help="make one pair, NAME.key and NAME.pub, instead of server and client")
    parser.add_argument("--role", choices=ROLES, default="client", help="of the one that --name names, default client")


def keys_options(parsed: argparse.Namespace) -> KeysOptions:
    """Raises StartError."""
    if parsed.name is None:
        return KeysOptions(Path(parsed.out), (("server", "server"), ("client", "client")))
    if not NAME.fullmatch(parsed.name):
        raise StartError(
            "BAD_ARGUMENT", f"--name expects 1 to 63 of A-Z a-z 0-9 _ . -, like worker-2, got {parsed.name!r}."
        )
    return KeysOptions(Path(parsed.out), ((parsed.role, parsed.name),))


def run_keys(options: KeysOptions) -> int:
    """The exit status. Says on stdout what was made and where it belongs. Raises StartError."""
    check_packages("sync")
    from rayferry.bridge.socket import make_key_pair

    for role, name in options.pairs:
        secret, public = write_pair(options.folder, role, name, make_key_pair())
        other = "client" if role == "server" else "server"
        sys.stdout.write(f"{secret}  secret: the {role} alone\n{public}  public: for the {other}\n")
    sys.stdout.flush()
    return 0
