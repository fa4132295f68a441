"""When a failed attempt is tried again, as far as a task's author says so. Whoever runs it fills in the rest: what
isn't given isn't on the wire either."""

from __future__ import annotations

import msgspec


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
