"""Inputs and results as bytes with a content type.

JSON where JSON says the value exactly (then Postgres can search it), MessagePack otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from rayferry.errors import InvalidInput, ResultNotSerializable, ResultTooLarge

JSON = "application/json"
MSGPACK = "application/msgpack"

# Beyond it JavaScript's numbers skip integers.
MAX_EXACT_INTEGER = 2**53 - 1
MIN_64_BIT, MAX_64_BIT = -(2**63), 2**64 - 1
# What msgspec encodes itself; a container's members are looked at one by one.
_CONTAINERS = (list, tuple, set, frozenset)
# Deeper than this neither side's decoder would read it back.
MAX_DEPTH = 500


def decode_input(content_type: str, data: bytes) -> dict[str, Any] | list[Any]:
    """The arguments of a task: an object (by name) or an array (by position). Raises InvalidInput."""
    try:
        if content_type == JSON:
            value = msgspec.json.decode(data)
        elif content_type == MSGPACK:
            value = msgspec.msgpack.decode(data)
        else:
            raise InvalidInput(f"The input's content type is {content_type!r}; expected {JSON} or {MSGPACK}.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise InvalidInput(f"The input ({len(data)} bytes of {content_type}) can't be decoded: {error}.") from error
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    if isinstance(value, list):
        return value
    raise InvalidInput(
        f"The input is {_named(value)}; expected an object (arguments by name) or an array (arguments by position)."
    )


def encode_result(value: Any, max_bytes: int | None = None) -> tuple[str, bytes]:
    """(content type, bytes). Raises ResultNotSerializable, which names the place of what can't be encoded."""
    content_type, data = _encode(value)
    if max_bytes is not None and len(data) > max_bytes:
        raise ResultTooLarge(
            f"The result is {len(data):,} bytes as {content_type}; the limit is {max_bytes:,}. "
            "Store it elsewhere and return where it is."
        )
    return content_type, data


def _encode(value: Any) -> tuple[str, bytes]:
    try:
        if json_says_exactly(value):
            return JSON, msgspec.json.encode(value)
        return MSGPACK, msgspec.msgpack.encode(value, enc_hook=_enc_hook)
    except RecursionError:
        raise ResultNotSerializable("The result contains itself, or is nested too deeply to be encoded.") from None
    except (TypeError, ValueError, OverflowError, UnicodeError) as error:
        found = find_offender(value)
        raise ResultNotSerializable(found or f"The result can't be encoded: {error}") from error


def json_says_exactly(value: Any, depth: int = 0) -> bool:
    """True where JSON, and jsonb after it, give back the same value."""
    kind = type(value)
    if value is None or kind is bool:
        return True
    if kind is int:
        return bool(-MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER)
    if kind is float:
        return bool(math.isfinite(value))
    if kind is str:
        return _is_clean_text(value)
    if depth > MAX_DEPTH:
        raise RecursionError
    if kind is list:
        return all(json_says_exactly(item, depth + 1) for item in value)
    if kind is dict:
        return all(
            type(key) is str and _is_clean_text(key) and json_says_exactly(item, depth + 1)
            for key, item in value.items()
        )
    return False


def find_offender(value: Any, path: str = "result", depth: int = 0) -> str | None:
    """A sentence about the first value inside that can't be encoded, with its path like `result.rows[3].when`."""
    if depth > MAX_DEPTH:
        return f"{path[:80]}... is nested too deeply to be encoded."
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                found = find_offender(key, f"{path} (key {key!r})", depth + 1)
                if found:
                    return found
            found = find_offender(item, _member(path, key), depth + 1)
            if found:
                return found
        return _try(value, path)
    if isinstance(value, _CONTAINERS):
        for index, item in enumerate(value):
            found = find_offender(item, f"{path}[{index}]", depth + 1)
            if found:
                return found
        return _try(value, path)
    fields = getattr(value, "__struct_fields__", None) or getattr(value, "__dataclass_fields__", None)
    if fields and not isinstance(value, type):
        for name in fields:
            found = find_offender(getattr(value, name, None), f"{path}.{name}", depth + 1)
            if found:
                return found
    return _try(value, path)


def _try(value: Any, path: str) -> str | None:
    if isinstance(value, int) and not MIN_64_BIT <= value <= MAX_64_BIT:
        return f"{path} is an integer beyond 64 bits, which no payload can carry. Return it as a string."
    try:
        msgspec.msgpack.encode(value, enc_hook=_enc_hook)
    except UnicodeError:
        return f"{path} is a string with a lone surrogate, which isn't text in UTF-8. Return it as bytes."
    except (TypeError, ValueError, OverflowError) as error:
        remedy = "Return plain values: None, bool, int, float, str, bytes, list, dict, dataclass, datetime."
        return f"{path} is {_named(value)}, which can't be encoded ({error}). {remedy}"
    return None


def _enc_hook(value: Any) -> Any:
    # numpy without importing it: scalars have item(), arrays tolist(); both say so by their module.
    if type(value).__module__.partition(".")[0] == "numpy":
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            plain = value.item()
        elif hasattr(value, "tolist"):
            plain = value.tolist()
        else:
            raise TypeError(f"{_named(value)} has no plain form")
        # longdouble and object scalars give themselves back.
        if type(plain) is not type(value):
            return plain
    raise TypeError(f"{_named(value)} has no plain form")


def _is_clean_text(text: str) -> bool:
    # jsonb refuses NUL; UTF-8 has no lone surrogates.
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _member(path: str, key: Any) -> str:
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r}]"


def _named(value: Any) -> str:
    if value is None:
        return "null"
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"of type {name}"
