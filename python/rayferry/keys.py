"""CURVE keys in files (docs/security.md): `NAME.key` holds a pair, its owner's secret, `NAME.pub` the public half.

    {"rayferry_key": "server", "name": "server", "public": "<z85>", "secret": "<z85>"}

The first field is the role, so that the files of the two sides can't be mixed up.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rayferry.errors import KeyFileError

Role = Literal["server", "client"]
ROLES: tuple[Role, ...] = ("server", "client")
# 32 bytes in z85, which has no quote, backslash, comma or space.
Z85_KEY = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
# No key file is larger; something else that was named by mistake isn't read whole.
MAX_FILE_BYTES = 4096


@dataclass(frozen=True)
class Key:
    role: Role
    name: str
    public: str
    # None in a `.pub` file.
    secret: str | None


@dataclass(frozen=True)
class KeyPair:
    public: str
    secret: str


def fingerprint(public: str) -> str:
    """How logs name a key."""
    return public[:8]


def read_pair(path: Path, role: Role) -> KeyPair:
    """The pair that this side proves itself with. Raises KeyFileError."""
    key = _read(path)
    _check_role(path, key, role)
    if key.secret is None:
        raise KeyFileError(
            "NOT_SECRET",
            f"{path} holds the public half of a {role} key, and the secret is needed here. "
            f"Name the .key file that was made with it, like {path.with_suffix('.key')}.",
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFileError(
            "OPEN",
            f"Other users may read the secret in {path} (mode {mode:04o}). Close it: chmod 600 {path}. "
            "If anybody may have read it, make new keys.",
        )
    return KeyPair(key.public, key.secret)


def read_public(path: Path, role: Role) -> str:
    """The public key by which this side knows the other. Raises KeyFileError."""
    key = _read(path)
    _check_role(path, key, role)
    if key.secret is not None:
        raise KeyFileError(
            "SECRET",
            f"{path} holds the {role}'s secret, which belongs on the {role}'s machine alone; here its public half is "
            f"needed. Name the .pub file that was made with it, like {path.with_suffix('.pub')}.",
        )
    return key.public


def key_files(places: Sequence[Path]) -> list[Path]:
    """A folder stands for the `.pub` files in it. Raises KeyFileError for one that can't be listed."""
    files: list[Path] = []
    for place in places:
        try:
            files += sorted(place.glob("*.pub")) if place.is_dir() else [place]
        except OSError as error:
            raise KeyFileError("UNREADABLE", f"The folder {place} can't be read: {error.strerror}.") from None
    return files


def _read(path: Path) -> Key:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise KeyFileError("MISSING", f"There is no key file {path}. Make keys with: rayferry keys") from None
    except OSError as error:
        raise KeyFileError("UNREADABLE", f"The key file {path} can't be read: {error.strerror}.") from None
    try:
        found = json.loads(data) if len(data) <= MAX_FILE_BYTES else None
    except (ValueError, RecursionError):
        found = None
    key = _parse(found)
    if key is None:
        raise KeyFileError(
            "MALFORMED",
            f"{path} isn't a key file of rayferry: JSON with rayferry_key (server or client), name, public and, in a "
            ".key file, secret, each key 40 characters of z85. Make keys with: rayferry keys",
        )
    return key


def _parse(found: object) -> Key | None:
    if not isinstance(found, dict):
        return None
    role, name, public, secret = (found.get(each) for each in ("rayferry_key", "name", "public", "secret"))
    if role not in ROLES or not isinstance(name, str) or not is_key(public) or not (secret is None or is_key(secret)):
        return None
    return Key(role, name, str(public), None if secret is None else str(secret))


def is_key(value: object) -> bool:
    return isinstance(value, str) and Z85_KEY.fullmatch(value) is not None


def _check_role(path: Path, key: Key, role: Role) -> None:
    if key.role != role:
        raise KeyFileError(
            "WRONG_ROLE", f"{path} is a {key.role}'s key, and a {role}'s is needed here: two files are mixed up."
        )


def write_pair(folder: Path, role: Role, name: str, pair: KeyPair) -> tuple[Path, Path]:
    """`NAME.key` (mode 0600) and `NAME.pub`. Raises KeyFileError rather than write over a file."""
    secret, public = folder / f"{name}.key", folder / f"{name}.pub"
    for path in (secret, public):
        if path.exists():
            raise KeyFileError("EXISTS", f"{path} is there already, and is left alone. Give another --name or --out.")
    fields = {"rayferry_key": role, "name": name, "public": pair.public}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(secret, fields | {"secret": pair.secret}, 0o600)
        _write(public, fields, 0o644)
    except OSError as error:
        raise KeyFileError("UNWRITABLE", f"No key can be written into {folder}: {error}") from None
    return secret, public


def _write(path: Path, content: dict[str, str], mode: int) -> None:
    # O_EXCL: not through a link, and not over what came meanwhile.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
