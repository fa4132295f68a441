"""Which annotations a value is converted to, and by whom."""

from __future__ import annotations

import dataclasses
import functools
import sys
import typing
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

# datetime is a date, a NamedTuple a tuple.
_RICH = (date, time, timedelta, Decimal, UUID, Enum, bytes, bytearray, set, frozenset, tuple, msgspec.Struct)


def is_rich(annotation: Any) -> bool:
    """Whether it mentions a type whose values arrive as something else: only then is a value converted."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return False
    if origin is not None:
        return is_rich(origin) or any(is_rich(each) for each in args)
    alias = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    if alias is not None and not isinstance(annotation, type):
        return is_rich(alias)
    if not isinstance(annotation, type):
        return False
    if typing.is_typeddict(annotation):
        return _has_rich_member(annotation)
    return issubclass(annotation, _RICH) or is_record(annotation) or is_pydantic(annotation)


def is_record(kind: type) -> bool:
    """A dataclass or attrs class: msgspec would leave out members that it doesn't have.

    A struct and a model have a setting of their own for those.
    """
    return dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")


def fields_by_name(kind: type) -> dict[str, str]:
    """The attributes of a record or struct by the names that a payload has for them; empty for any other class."""
    if issubclass(kind, msgspec.Struct):
        return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
    if dataclasses.is_dataclass(kind):
        return {field.name: field.name for field in dataclasses.fields(kind)}
    return {field.name: field.name for field in getattr(kind, "__attrs_attrs__", ())}


def is_pydantic(kind: type) -> bool:
    """By its methods: pydantic is the user's choice, not a dependency."""
    return callable(getattr(kind, "model_validate", None)) or (
        hasattr(kind, "__fields__") and callable(getattr(kind, "parse_obj", None))
    )


def is_supported(annotation: Any) -> bool:
    """False for what msgspec can't convert to: two dataclasses in a union, an Enum of tuples, an unresolved name."""
    try:
        msgspec.json.Decoder(annotation)
    except Exception:
        return False
    return True


def adapter_of(annotation: Any) -> Any:
    """pydantic's own converter where the annotation mentions a model of pydantic 2; else None."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not hasattr(pydantic, "TypeAdapter") or not _mentions_model(annotation):
        return None
    try:
        return pydantic.TypeAdapter(annotation)
    except Exception:
        # One that it can't convert to either, like a union with a msgspec struct.
        return None


def convert_custom(kind: Any, value: Any) -> Any:
    """For msgspec's `dec_hook`: a model inside a dataclass or struct. Any other class has to be what arrived."""
    if isinstance(kind, type) and is_pydantic(kind) and not isinstance(value, kind):
        validate = getattr(kind, "model_validate", None) or kind.parse_obj  # type: ignore[attr-defined]
        return validate(value)
    return value


def _mentions_model(annotation: Any) -> bool:
    if isinstance(annotation, type):
        # A dataclass of pydantic's is one too: msgspec would pass by its validators.
        return hasattr(annotation, "model_validate") or hasattr(annotation, "__is_pydantic_dataclass__")
    return any(_mentions_model(each) for each in typing.get_args(annotation))


@functools.cache
def _has_rich_member(typed_dict: type) -> bool:
    try:
        hints = typing.get_type_hints(typed_dict, include_extras=True)
    except Exception:
        return False
    return any(is_rich(hint) for hint in hints.values() if hint is not typed_dict)
