"""When a failed attempt is tried again, as far as a task's author says so. Whoever runs it fills in the rest: what
isn't given isn't on the wire either."""

from __future__ import annotations

import msgspec

from rayferry.errors import TaskDefinitionError
from rayferry.seconds import MAX_SECONDS, is_number, is_seconds


class Fixed(msgspec.Struct, frozen=True, tag_field="kind", tag="fixed"):
    """The same before each further try."""

    seconds: float


class Exponential(msgspec.Struct, frozen=True, tag_field="kind", tag="exponential"):
    """`seconds` before the second try, and `factor` times as long before each that follows."""

    seconds: float
    factor: float


class Listed(msgspec.Struct, frozen=True, tag_field="kind", tag="list"):
    """One for each further try; the last for all that follow."""

    seconds: list[float]


Backoff = Fixed | Exponential | Listed


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """`retry` of a task in the `registry` message. Class names are as in `error` of a `result`."""

    backoff: Backoff | msgspec.UnsetType = msgspec.UNSET
    # No delay is longer.
    max_seconds: float | msgspec.UnsetType = msgspec.UNSET
    jitter: bool | msgspec.UnsetType = msgspec.UNSET
    on: list[str] | msgspec.UnsetType = msgspec.UNSET
    never_on: list[str] | msgspec.UnsetType = msgspec.UNSET
    # How often infrastructure may take it.
    losses: int | msgspec.UnsetType = msgspec.UNSET


def exponential(first: float = 1, factor: float = 2) -> Exponential:
    """For @task(backoff=...): `first` seconds before the second try, `factor` times as long before each that follows.
    `max_delay` caps it. Raises TaskDefinitionError for what is no number of seconds, or a factor below 1."""
    seconds = check_seconds("exponential()", "first", first)
    if not is_number(factor) or factor < 1:
        raise TaskDefinitionError(f"exponential() expects 'factor' as a number, 1 or more, got {factor!r}.")
    return Exponential(seconds, float(factor))


def check_seconds(where: str, name: str, value: object, *, zero: bool = True) -> float:
    """Raises TaskDefinitionError."""
    if is_seconds(value) and (zero or value > 0):
        return float(value)
    least = "0 or more" if zero else "more than 0"
    raise TaskDefinitionError(
        f"{where} expects {name!r} as a number of seconds, {least} and at most {MAX_SECONDS:,}, got {value!r}."
    )
