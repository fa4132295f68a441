"""What a @task says of retries and timeouts: checked where it is written, and named as the registry names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from rayferry.errors import TaskDefinitionError
from rayferry.outcome import class_name
from rayferry.retry_policy import Backoff, Exponential, Fixed, Listed, RetryPolicy, check_seconds
from rayferry.seconds import is_number

ErrorClass = type[BaseException] | str
ErrorClasses = ErrorClass | Iterable[ErrorClass]
BackoffOption = float | Sequence[float] | Exponential

# Postgres' integer.
MAX_COUNT = 2**31 - 1
MAX_LISTED = 1_000
# Without blanks: no class has one in its name, and a list in one string would name nothing.
_NAME = re.compile(r"[^\s\0]+")


@dataclass(frozen=True)
class Terms:
    """None: left to whoever runs it."""

    max_attempts: int | None = None
    retry: RetryPolicy | None = None
    timeout: float | None = None
    queue_timeout: float | None = None


def check_terms(
    *,
    max_attempts: int | None = None,
    backoff: BackoffOption | None = None,
    max_delay: float | None = None,
    jitter: bool | None = None,
    retry_on: ErrorClasses | None = None,
    never_retry_on: ErrorClasses | None = None,
    losses: int | None = None,
    timeout: float | None = None,
    queue_timeout: float | None = None,
) -> Terms:
    """Raises TaskDefinitionError, which names the option."""
    if jitter is not None and not isinstance(jitter, bool):
        raise TaskDefinitionError(f"@task expects 'jitter' as True or False, got {jitter!r}.")
    unset = msgspec.UNSET
    policy = RetryPolicy(
        backoff=unset if backoff is None else _backoff(backoff),
        max_seconds=unset if max_delay is None else check_seconds("@task", "max_delay", max_delay),
        jitter=unset if jitter is None else jitter,
        on=unset if retry_on is None else _classes("retry_on", retry_on),
        never_on=unset if never_retry_on is None else _classes("never_retry_on", never_retry_on),
        losses=unset if losses is None else _count("losses", losses, 0),
    )
    return Terms(
        max_attempts=None if max_attempts is None else _count("max_attempts", max_attempts, 1),
        retry=None if policy == RetryPolicy() else policy,
        timeout=None if timeout is None else check_seconds("@task", "timeout", timeout, zero=False),
        queue_timeout=None
        if queue_timeout is None
        else check_seconds("@task", "queue_timeout", queue_timeout, zero=False),
    )


def _backoff(value: object) -> Backoff:
    if isinstance(value, Exponential):
        return value
    if isinstance(value, list | tuple):
        if not 1 <= len(value) <= MAX_LISTED:
            raise TaskDefinitionError(
                f"@task expects a list for 'backoff' to have 1 to {MAX_LISTED:,} numbers of seconds, got {len(value)}."
            )
        return Listed([check_seconds("@task", "backoff", each) for each in value])
    if not is_number(value):
        raise TaskDefinitionError(
            "@task expects 'backoff' as a number of seconds, a list of them, or rayferry.exponential(first, factor), "
            f"got {value!r}."
        )
    return Fixed(check_seconds("@task", "backoff", value))


def _classes(option: str, value: object) -> list[str]:
    several = value if isinstance(value, list | tuple | set | frozenset) else [value]
    names = [_class_name(option, each) for each in several]
    # A set has no order of its own, and the registry's digest has to be the same on every machine.
    return sorted(names) if isinstance(value, set | frozenset) else names


def _class_name(option: str, value: object) -> str:
    if isinstance(value, type) and issubclass(value, BaseException):
        # By `TimeoutError` alone any module's class of that name would be meant.
        name = class_name(value)
        return name if "." in name else f"builtins.{name}"
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise TaskDefinitionError(
        f'@task expects \'{option}\' as exception classes or their names ("ValueError", "module.Class"), got {value!r}.'
    )


def _count(option: str, value: object, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_COUNT:
        return value
    raise TaskDefinitionError(f"@task expects '{option}' as a whole number, {least} or more, got {value!r}.")
