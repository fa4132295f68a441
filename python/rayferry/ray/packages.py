"""Which code a cluster needs of this machine."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

_OWN = Path(__file__).parent.parent


def code_to_ship(modules: Iterable[str]) -> list[str]:
    """This package and, for each module, its top-level file or package: found, not imported.

    What can't be found isn't shipped; reading the registry on the cluster says so then.
    """
    cwd = str(Path.cwd())
    if cwd not in sys.path:
        sys.path.insert(0, cwd)
    paths = [_OWN]
    for module in modules:
        path = _locate(module.partition(".")[0])
        if path is not None and path not in paths:
            paths.append(path)
    return [str(path) for path in paths]


def _locate(top_level: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(top_level)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    if spec.origin is not None and spec.origin.endswith(".py"):
        return Path(spec.origin).resolve()
    return None
