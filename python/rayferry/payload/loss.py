"""What a conversion would have changed silently: msgspec's is strict about types, not about what it leaves out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any

from rayferry.payload.forms import MAX_DEPTH
from rayferry.payload.schemas import fields_by_name, is_record

_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{6}\d*[1-9]")

# A sentence, and the steps to the value.
Loss = tuple[str, list[Any]]


def find_loss(came: Any, became: Any, steps: list[Any]) -> Loss | None:
    """Of `came`, once it `became` what an annotation says."""
    # Nobody but a row written by hand nests deeper.
    if came is became or len(steps) > MAX_DEPTH:
        return None
    if isinstance(came, str):
        is_time = isinstance(became, datetime | time | timedelta)
        finer = is_time and _FINER_THAN_MICROSECONDS.search(came)
        return (f"expected at most microseconds, got {came}", steps) if finer else None
    if type(came) is int and type(became) is float and came != became:
        return ("expected float, got an integer that no float is", steps)
    if isinstance(came, dict):
        return _in_dict(came, became, steps)
    if isinstance(came, list | tuple) and isinstance(became, list | tuple):
        return _first(find_loss(a, b, [*steps, index]) for index, (a, b) in enumerate(zip(came, became, strict=False)))
    return None


def _in_dict(came: dict[Any, Any], became: Any, steps: list[Any]) -> Loss | None:
    if isinstance(became, dict):
        if len(became) == len(came):
            pairs = zip(came.items(), became.values(), strict=True)
            return _first(find_loss(item, b, [*steps, key]) for (key, item), b in pairs)
        lost = next((key for key in came if key not in became), next(iter(came)))
        return (f"{lost!r} is no key of its own here", [*steps, lost])
    names = fields_by_name(type(became))
    for key, item in came.items():
        name = names.get(key)
        if name is not None:
            lost_inside = find_loss(item, getattr(became, name), [*steps, key])
            if lost_inside is not None:
                return lost_inside
        elif is_record(type(became)):
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}"
            return (f"{type(became).__name__} has no such field ({hint})", [*steps, key])
    return None


def _first(found: Iterable[Loss | None]) -> Loss | None:
    return next((each for each in found if each is not None), None)
