"""The members of what has named ones, by its schema: dataclasses, msgspec structs, attrs and pydantic models."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from msgspec import UNSET

_NO_DEFAULT = msgspec.NODEFAULT


def members_of(value: Any) -> dict[Any, Any] | list[Any] | Any | None:
    """A dict by the names of its schema, or whatever a model says that it is; None for a value without named members.

    Not deep: members are still what they were. Raises whatever a model's own code raises.
    """
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        return _struct_members(value)
    if callable(getattr(kind, "model_dump", None)):
        # Aliases are a model's names for the outside: what its JSON schema says, and what it reads back.
        return value.model_dump(by_alias=True)
    if hasattr(kind, "__dataclass_fields__"):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    if hasattr(kind, "__fields__") and callable(getattr(kind, "parse_obj", None)):
        # pydantic 1.
        return value.dict(by_alias=True)
    return None


def _struct_members(value: msgspec.Struct) -> dict[str, Any] | list[Any]:
    """As msgspec encodes it: `rename`, `tag`, `array_like`, `omit_defaults` and UNSET have their say."""
    config = value.__struct_config__
    fields = msgspec.structs.fields(type(value))
    if config.array_like:
        head = [] if config.tag is None else [config.tag]
        return head + [getattr(value, field.name) for field in fields]
    members: dict[str, Any] = {}
    if config.tag is not None and config.tag_field is not None:
        members[config.tag_field] = config.tag
    for field in fields:
        item = getattr(value, field.name)
        if item is not UNSET and not (config.omit_defaults and _is_default(item, field)):
            members[field.encode_name] = item
    return members


def _is_default(item: Any, field: msgspec.structs.FieldInfo) -> bool:
    if field.default is not _NO_DEFAULT:
        return item is field.default
    factory = field.default_factory
    return factory in (list, dict, set) and type(item) is factory and not item
