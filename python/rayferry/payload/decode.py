"""An execution's input: bytes and a content type as the arguments of its task."""

from __future__ import annotations

from typing import Any

import msgspec

from rayferry.errors import InvalidInput
from rayferry.payload.extensions import read_extension
from rayferry.payload.forms import JSON, MAX_DEPTH, MSGPACK, Path, named

_json = msgspec.json.Decoder()
_msgpack = msgspec.msgpack.Decoder(ext_hook=read_extension)
_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError, TypeError)


def decode_input(content_type: str, data: bytes) -> dict[str, Any] | list[Any]:
    """The arguments of a task: an object (by name) or an array (by position). Raises InvalidInput."""
    if content_type not in (JSON, MSGPACK):
        raise InvalidInput(f"The input's content type is {content_type!r}; expected {JSON} or {MSGPACK}.")
    try:
        value = _json.decode(data) if content_type == JSON else _msgpack.decode(data)
    except _ERRORS as error:
        where = _place_of_unreadable(data) if content_type == MSGPACK else None
        raise InvalidInput(
            where or f"The input ({len(data)} bytes of {content_type}) can't be decoded: {error}."
        ) from error
    if isinstance(value, list) or (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
        return value
    raise InvalidInput(
        f"The input is {named(value)}; expected an object (arguments by name) or an array (arguments by position)."
    )


class _Unreadable:
    def __init__(self, reason: str) -> None:
        self.reason = reason


def _place_of_unreadable(data: bytes) -> str | None:
    """A sentence with the path of an extension that can't be read. A second pass, because msgspec says no path."""

    def read(code: int, body: memoryview) -> Any:
        try:
            return read_extension(code, body)
        except ValueError as error:
            return _Unreadable(str(error))

    try:
        value = msgspec.msgpack.decode(data, ext_hook=read)
    except _ERRORS:
        return None
    path = Path("input")
    found = _find(value, path)
    return None if found is None else f"{path} can't be read: {found.reason}."


def _find(value: Any, path: Path) -> _Unreadable | None:
    if isinstance(value, _Unreadable):
        return value
    if len(path.steps) > MAX_DEPTH:
        return None
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        path.steps.append(step)
        found = _find(item, path)
        if found is not None:
            return found
        path.steps.pop()
    return None
