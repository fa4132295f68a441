"""What Ray reads from the environment. To be called before Ray is imported: it reads most of it then."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from rayferry.guardian import MARK


def prepare_environment(local: bool, mark: str | None = None) -> None:
    """`mark`: by which a guardian knows the processes of a local Ray."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Plain, whole lines: people grep the worker's log.
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    # Says how CUDA_VISIBLE_DEVICES is treated for tasks without GPUs; unset, Ray warns at each start.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not local:
        return
    if mark is not None:
        os.environ[MARK] = mark
    # A token that only this process and what it starts know. Left to itself Ray writes one to ~/.ray.
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ.pop("RAY_AUTH_TOKEN_PATH", None)
    os.environ.pop("RAY_ADDRESS", None)
    # Ray replaces 127.0.0.1 by the machine's own address, unless this says that it is no cluster. On every platform,
    # whatever the name says.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    _share_import_path()


def _share_import_path() -> None:
    """Task processes find what this process finds: the project in the working directory, and this package."""
    paths = [str(Path.cwd()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    package = str(Path(__file__).parent.parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*paths, package]))
