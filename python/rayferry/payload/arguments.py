"""Binds an input to a task's parameters, each converted to what its annotation says.

Only a parameter whose annotation mentions a type that arrives as another one (`datetime`, a dataclass, a set, ...) is
converted; every other one gets what arrived: `int`, `float`, `str`, `list`, `dict`, `Any` and classes that msgspec
doesn't know refuse nothing. Conversion is msgspec's, strict; of annotations with a pydantic model, pydantic's.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from rayferry.errors import InvalidInput
from rayferry.payload.forms import step_text
from rayferry.payload.misfit import convert_or_refuse, validate_or_refuse
from rayferry.payload.schemas import adapter_of, is_rich, is_supported

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def bind(function: Callable[..., Any], task: str, arguments: dict[str, Any] | list[Any]) -> inspect.BoundArguments:
    """Raises InvalidInput, with the path of what doesn't fit: `input.rows[3].when: expected datetime, got str.`"""
    plan = _plan_of(function)
    positional, named = (arguments, {}) if isinstance(arguments, list) else ([], arguments)
    try:
        bound = plan.signature.bind(*positional, **named)
    except TypeError as error:
        raise InvalidInput(f"{task}: {error}") from error
    if plan.schema is not None:
        given = {name: bound.arguments[name] for name in plan.converted if name in bound.arguments}
        if given:
            converted = convert_or_refuse(given, plan.schema, functools.partial(plan.path_of, positional))
            for name in given:
                bound.arguments[name] = plan.restored(name, getattr(converted, name))
    for name, adapter in plan.adapters.items():
        if name in bound.arguments:
            path = functools.partial(plan.path_of, positional)
            value = validate_or_refuse(bound.arguments[name], adapter, name, path)
            bound.arguments[name] = plan.restored(name, value)
    return bound


class _Plan:
    """What is to be done with a function's arguments: looked up once, since it takes as long as a hundred calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.signature = inspect.signature(function)
        self.adapters: dict[str, Any] = {}
        self.converted: dict[str, Any] = {}
        for name, parameter in self.signature.parameters.items():
            annotation = _annotation_of(function, parameter)
            if not is_rich(annotation):
                continue
            adapter = adapter_of(annotation)
            if adapter is not None:
                self.adapters[name] = adapter
            elif is_supported(annotation):
                self.converted[name] = annotation
        # msgspec keeps what it learns about a struct: 0.4 us a call, where an annotation alone takes 1 us.
        fields = [(name, annotation, msgspec.UNSET) for name, annotation in self.converted.items()]
        self.schema = msgspec.defstruct("Arguments", fields, kw_only=True) if fields else None

    def path_of(self, positional: list[Any], steps: list[Any]) -> str:
        """Of steps that begin with a parameter's name, as the caller wrote them: by name, or by position."""
        name, *rest = steps
        kind = self.signature.parameters[name].kind
        index = list(self.signature.parameters).index(name)
        if kind == inspect.Parameter.VAR_POSITIONAL and rest:
            rest[0] += index
        elif kind != inspect.Parameter.VAR_KEYWORD or not rest:
            rest = [index if index < len(positional) else name, *rest]
        return "input" + "".join(map(step_text, rest))

    def restored(self, name: str, value: Any) -> Any:
        is_variable = self.signature.parameters[name].kind == inspect.Parameter.VAR_POSITIONAL
        return tuple(value) if is_variable else value


@functools.lru_cache(maxsize=1024)
def _plan_of(function: Callable[..., Any]) -> _Plan:
    return _Plan(function)


def _annotation_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation as a type; Any where there is none, or its name can't be resolved."""
    if parameter.annotation is inspect.Parameter.empty:
        return Any

    # Each on its own: one name that only a type checker sees leaves the others alone.
    class Holder:
        __annotations__ = {"it": parameter.annotation}

    namespace = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        annotation: Any = typing.get_type_hints(Holder, globalns=namespace, include_extras=True)["it"]
    except Exception:
        return Any
    if parameter.kind in _VARIABLE:
        is_list = parameter.kind == inspect.Parameter.VAR_POSITIONAL
        return list[annotation] if is_list else dict[str, annotation]
    # `when: datetime = None` means it, whatever type checkers say.
    return typing.Optional[annotation] if parameter.default is None else annotation  # noqa: UP045
