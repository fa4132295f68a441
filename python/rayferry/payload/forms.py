"""What both directions agree on."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
MSGPACK = "application/msgpack"

# Deeper values are refused, as by the TypeScript half.
MAX_DEPTH = 200


class NoForm(Exception):
    """A value that no payload can carry: what it is, and what to do. Whoever knows the path makes the sentence."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Path:
    """Where in a value a walk is; a text only when a sentence needs it."""

    _MAX_TEXT = 200

    def __init__(self, name: str) -> None:
        self._name = name
        self.steps: list[Any] = []

    def __str__(self) -> str:
        text = self._name + "".join(map(step_text, self.steps))
        return text if len(text) <= self._MAX_TEXT else f"{text[: self._MAX_TEXT]}..."


def step_text(step: Any) -> str:
    """`.name`, `[3]`, `['odd key']`."""
    if isinstance(step, str) and step.isidentifier():
        return f".{step}"
    try:
        return f"[{step!r}]"
    except ValueError:
        # An integer of more digits than Python writes.
        return f"[{named(step)}]"


def named(value: Any) -> str:
    if value is None:
        return "null"
    return f"of type {class_name(type(value))}"


def class_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
