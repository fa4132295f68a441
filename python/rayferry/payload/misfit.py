"""Converts arguments, and says in the caller's words where they don't fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from rayferry.errors import InvalidInput
from rayferry.payload.loss import find_loss
from rayferry.payload.schemas import convert_custom

# Bytes are bytes: without this msgspec would read a str as base64.
_OWN_TYPES = (bytes, bytearray, memoryview)
_PLACE = re.compile(r"^(?P<what>.*?) - at (?P<key>`key` in )?`\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[(\.\.\.)\]")

PathOf = Callable[[list[Any]], str]


def convert_or_refuse(given: dict[str, Any], schema: Any, path_of: PathOf) -> Any:
    """`given` as an instance of `schema`. Raises InvalidInput."""
    try:
        converted = _convert(given, schema)
    except msgspec.ValidationError as error:
        what, steps = _place(given, schema, error)
        raise InvalidInput(f"{path_of(steps)}: {what}.") from error
    except Exception as error:
        # A class's own code, or a set of what can't be in one.
        names = " or ".join(path_of([name]) for name in given)
        raise InvalidInput(f"{names} doesn't fit: {type(error).__name__}: {error}.") from error
    for name, value in given.items():
        lost = find_loss(value, getattr(converted, name), [name])
        if lost is not None:
            raise InvalidInput(f"{path_of(lost[1])}: {lost[0]}.")
    return converted


def validate_or_refuse(value: Any, adapter: Any, name: str, path_of: PathOf) -> Any:
    """`value` by pydantic's TypeAdapter. Raises InvalidInput."""
    try:
        return adapter.validate_python(value)
    except Exception as error:
        what, steps = _of_pydantic(error)
        raise InvalidInput(f"{path_of([name, *steps])}: {what}.") from error


def _convert(given: dict[str, Any], schema: Any) -> Any:
    return msgspec.convert(given, schema, builtin_types=_OWN_TYPES, str_keys=True, dec_hook=convert_custom)


def _place(given: dict[str, Any], schema: Any, error: msgspec.ValidationError) -> tuple[str, list[Any]]:
    found = _PLACE.match(str(error))
    if found is None:
        return _sentence(str(error)), [next(iter(given))]
    what = _sentence(found["what"])
    tail: list[Any] = []
    if error.__cause__ is not None:
        what, tail = _of_pydantic(error.__cause__)
    steps = [_step(each) for each in _STEP.finditer(found["path"])]
    if found["key"]:
        what = f"a key: {what}"
    if ... in steps:
        steps = _name_the_keys(given, schema, steps)
    return what, [*steps, *tail]


def _name_the_keys(given: dict[str, Any], schema: Any, steps: list[Any]) -> list[Any]:
    """msgspec says `[...]` for a member of a dict. Which one? That with which alone the same place still fails."""
    while ... in steps:
        at = steps.index(...)
        holder = _look_up(given, steps[:at])
        if not isinstance(holder, dict):
            break
        for key, item in holder.items():
            alone = _replaced(given, steps[:at], {key: item})
            if _fails_at(alone, schema, steps[: at + 1]):
                given, steps = alone, [*steps[:at], key, *steps[at + 1 :]]
                break
        else:
            break
    return steps


def _fails_at(given: dict[str, Any], schema: Any, steps: list[Any]) -> bool:
    try:
        _convert(given, schema)
    except msgspec.ValidationError as error:
        found = _PLACE.match(str(error))
        place = [_step(each) for each in _STEP.finditer(found["path"])] if found else []
        pairs = zip(place, steps, strict=False)
        return len(place) >= len(steps) and all(is_ is ... or is_ == named for is_, named in pairs)
    except Exception:
        return False
    return False


def _step(match: re.Match[str]) -> Any:
    name, index, _any = match.groups()
    return name if name is not None else int(index) if index is not None else ...


def _look_up(value: Any, steps: list[Any]) -> Any:
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _replaced(value: Any, steps: list[Any], new: Any) -> Any:
    """A copy, down to `new` where the steps lead."""
    if not steps:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[steps[0]] = _replaced(value[steps[0]], steps[1:], new)
    return copy


def _of_pydantic(error: BaseException) -> tuple[str, list[Any]]:
    """What, and the steps to it. Of any other error what it says."""
    errors = getattr(error, "errors", None)
    found = errors() if callable(errors) else []
    if not found:
        return f"{type(error).__name__}: {error}", []
    first = found[0]
    return _sentence(str(first["msg"])), [step for step in first["loc"] if step != "__root__"]


def _sentence(text: str) -> str:
    text = text.replace("`", "").rstrip(".")
    return text[:1].lower() + text[1:]
