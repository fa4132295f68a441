"""Makes a result plain, in msgspec's own types, or refuses it with the path of what can't be said."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec.msgpack import Ext

from rayferry.errors import ResultNotSerializable
from rayferry.payload.arrays import array_form, scalar_form
from rayferry.payload.extensions import TYPED_ARRAY, WIDE_INTEGER, integer_form
from rayferry.payload.forms import MAX_DEPTH, NoForm, Path, named
from rayferry.payload.members import members_of
from rayferry.payload.times import time_form

# Beyond it JavaScript's numbers skip integers.
LIMIT = 2**53
_REMEDY = (
    "Return plain values: None, bool, int, float, str, bytes, list, dict, datetime, a dataclass, struct or model, "
    "a numpy array."
)


class Walk:
    """Of one value. `is_json` afterwards: JSON says it exactly, and jsonb after it."""

    def __init__(self, name: str = "result") -> None:
        self.is_json = True
        self._path = Path(name)
        self._parents: set[int] = set()

    def plain(self, value: Any) -> Any:
        """Raises ResultNotSerializable."""
        try:
            return self._visit(value)
        except NoForm as refused:
            raise ResultNotSerializable(f"{self._path} is {refused.what}. {refused.remedy}") from None
        except RecursionError:
            raise ResultNotSerializable(f"{self._path} is nested too deeply to be encoded.") from None
        except Exception as error:
            # A property or a model's own code.
            sentence = f"{self._path} can't be encoded: {type(error).__name__}: {error}"
            raise ResultNotSerializable(sentence) from error

    def _visit(self, value: Any) -> Any:
        # By exact type first: a walk costs three quarters less than by isinstance alone.
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return self._integer(value)
        if kind is float:
            return self._float(value)
        if kind is dict or kind is list:
            return self._inside(value, value)
        return self._subclass(value)

    def _subclass(self, value: Any) -> Any:
        # First: a StrEnum is a str too.
        if isinstance(value, Enum):
            return self._visit(value.value)
        # By the base class's own conversion: a subclass may override it.
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self._integer(int.__int__(value))
        if isinstance(value, float):
            return self._float(float.__float__(value))
        if isinstance(value, dict | list):
            return self._inside(value, value)
        return self._other(value)

    def _other(self, value: Any) -> Any:
        if isinstance(value, UUID | Decimal):
            return str(value)
        if isinstance(value, datetime | date | time | timedelta):
            form = time_form(value)
            self.is_json = self.is_json and isinstance(form, str)
            return form
        if isinstance(value, bytes | bytearray) or (isinstance(value, memoryview) and value.format in "Bc"):
            self.is_json = False
            return bytes(value)
        scalar = scalar_form(value)
        if scalar is not value:
            return self._visit(scalar)
        elements = array_form(value)
        if isinstance(elements, bytes):
            self.is_json = False
            return Ext(TYPED_ARRAY, elements)
        if elements is None and isinstance(value, tuple | set | frozenset | deque):
            elements = list(value)
        if elements is None and isinstance(value, Mapping):
            return self._inside(value, dict(value))
        content = elements if elements is not None else members_of(value)
        if content is None:
            raise NoForm(named(value), _REMEDY)
        return self._inside(value, content)

    def _inside(self, value: Any, content: Any) -> Any:
        """Of a container: `content` is what it holds, a list or a dict, or what a model says instead of itself."""
        if id(value) in self._parents:
            raise NoForm("a reference to one of its own parents", "Return a tree.")
        if len(self._parents) >= MAX_DEPTH:
            raise NoForm(f"nested more than {MAX_DEPTH} deep", "Flatten it.")
        self._parents.add(id(value))
        if isinstance(content, list):
            plain: Any = self._items(content)
        elif isinstance(content, dict):
            plain = self._mapping(content)
        else:
            plain = self._visit(content)
        self._parents.discard(id(value))
        return plain

    def _items(self, content: list[Any]) -> list[Any]:
        steps, plain = self._path.steps, []
        for index, item in enumerate(content):
            steps.append(index)
            plain.append(self._visit(item))
            steps.pop()
        return plain

    def _mapping(self, content: dict[Any, Any]) -> dict[Any, Any]:
        steps = self._path.steps
        plain: dict[Any, Any] = {}
        for key, item in content.items():
            if type(key) is str:
                steps.append(key)
                name = self._text(key)
            else:
                name = self._key(key)
                steps.append(key)
            if name in plain:
                raise NoForm(f"a second member with the key {name!r}", "Rename one.")
            plain[name] = self._visit(item)
            steps.pop()
        return plain

    def _key(self, key: Any) -> Any:
        """JavaScript finds strings, numbers, booleans and null in a Map; an object only by its identity."""
        plain = None if key is None else self._visit(key)
        if isinstance(plain, str):
            return plain
        if isinstance(plain, float) and (math.isnan(plain) or (plain == 0 and math.copysign(1, plain) < 0)):
            raise NoForm(f"a dict with {plain} as key", "Rename it.")
        if isinstance(plain, Ext) and plain.code == WIDE_INTEGER:
            raise NoForm("a dict with an integer beyond 64 bits as key", "Use its str.")
        if plain is not None and not isinstance(plain, bool | int | float):
            raise NoForm(f"a dict with a key {named(key)}", "Use strings, numbers, booleans or None as keys.")
        self.is_json = False
        return plain

    def _text(self, text: str) -> str:
        # jsonb refuses NUL; UTF-8 has no lone surrogates.
        if "\0" in text:
            self.is_json = False
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise NoForm(
                    "a string with a lone surrogate, which isn't text in UTF-8", "Return it as bytes."
                ) from None
        return text

    def _integer(self, value: int) -> int | Ext:
        if -LIMIT < value < LIMIT:
            return value
        self.is_json = False
        return integer_form(value)

    def _float(self, value: float) -> float:
        # NaN and the infinities are not between; jsonb drops the sign of -0.
        if not -LIMIT < value < LIMIT or (value == 0 and math.copysign(1, value) < 0):
            self.is_json = False
        return value
