"""Which code a server in an actor has: its package and the modules of its tasks. New code means a new actor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_SKIPPED = {"__pycache__", ".git", ".venv", "node_modules"}


def generation(build: str, paths: Iterable[str]) -> str:
    """`build` and a digest of every file in these files and folders: the same wherever the code is the same."""
    digest = hashlib.sha256()
    for path in sorted(Path(each) for each in paths):
        for file in _files(path):
            digest.update(f"{path.name}/{file.relative_to(path) if path.is_dir() else ''}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return f"{build}-{digest.hexdigest()[:12]}"


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for each in sorted(path.iterdir()):
        if each.name in _SKIPPED or each.suffix == ".pyc":
            continue
        yield from _files(each) if each.is_dir() else iter([each])
