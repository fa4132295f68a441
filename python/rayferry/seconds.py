"""What counts as a number of seconds where a person gives one."""

from __future__ import annotations

import math
from typing import TypeGuard

# 31 years: Postgres and every clock can add it to now.
MAX_SECONDS = 1_000_000_000


def is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        # Of Python's integers: no float is that large.
        return False


def is_seconds(value: object) -> TypeGuard[float]:
    return is_number(value) and 0 <= value <= MAX_SECONDS
