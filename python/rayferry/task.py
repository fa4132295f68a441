"""@task: gives a function a name under which a Node service can run it.

The function stays what it was: call it, test it, pickle it. The decorator only notes that it was declared.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from rayferry.errors import TaskDefinitionError
from rayferry.seconds import is_number
from rayferry.task_terms import BackoffOption, ErrorClasses, Terms, check_terms

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_QUEUE = "default"
DEFAULT_NUM_CPUS = 1.0
TERMS = (
    "max_attempts",
    "backoff",
    "max_delay",
    "jitter",
    "retry_on",
    "never_retry_on",
    "losses",
    "timeout",
    "queue_timeout",
)
OPTIONS = ("name", "queue", "num_cpus", *TERMS)


@dataclass(frozen=True)
class DeclaredTask:
    """One @task, as it was written."""

    name: str
    queue: str
    num_cpus: float
    function: Callable[..., Any]
    terms: Terms

    @property
    def module(self) -> str:
        return self.function.__module__

    @property
    def place(self) -> str:
        """Where a person finds it."""
        code = inspect.unwrap(self.function).__code__
        return f"{self.module}.{self.function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"


# Every @task that this process has run, in order. Imports fill it; only the registry reads it.
declared: list[DeclaredTask] = []


@overload
def task(function: F, /) -> F: ...
@overload
def task(
    *,
    name: str | None = None,
    queue: str = "default",
    num_cpus: float = 1,
    max_attempts: int | None = None,
    backoff: BackoffOption | None = None,
    max_delay: float | None = None,
    jitter: bool | None = None,
    retry_on: ErrorClasses | None = None,
    never_retry_on: ErrorClasses | None = None,
    losses: int | None = None,
    timeout: float | None = None,
    queue_timeout: float | None = None,
) -> Callable[[F], F]: ...
def task(function: Any = None, /, **options: Any) -> Any:
    """Declare a plain or async function as a task.

    name      under which it is enqueued; default `module.function`
    queue     label that workers subscribe to; default "default"
    num_cpus  CPUs that Ray reserves while it runs, 0 or more; default 1

    What follows is the default for its executions; whoever enqueues one may say otherwise. Times are in seconds.

    max_attempts    how often it is tried, the first time included; default 1: a failure is final
    backoff         wait before another try: a number, a list (one for each further try, the last for all that follow)
                    or rayferry.exponential(first, factor); default exponential(1, 2)
    max_delay       no wait is longer; default 300
    jitter          draw each wait from 0 to what it would be, so that many don't come back at once; default True
    retry_on        try again only after these errors and their subclasses: exception classes, or their names as
                    "ConnectionError" or "module.Class"; default: after any. An empty list: after none
    never_retry_on  and never after these, whatever `retry_on` says; default: none
    losses          how often infrastructure (a node, a killed process) may take it before it ends LOST. Such a loss
                    uses none of its attempts; default 10
    timeout         from the start of its code, the import of its module included: then SoftTimeout is raised in it, and
                    it is killed when it hasn't ended a grace later. A time-out is a failure as others: it is tried
                    again while attempts are left. Default: it may run for ever
    queue_timeout   it ends EXPIRED when it hasn't begun so long after it was due; default: it waits for ever

    A task may also raise rayferry.Retry, NoRetry or Snooze to say itself whether it is tried again.

    Raises TaskDefinitionError for anything else.
    """
    if function is None:
        _check_options(options)
        terms = check_terms(**{name: options.pop(name) for name in TERMS if name in options})
        return lambda target: _declare(target, **options, terms=terms)
    if options or not callable(function):
        raise TaskDefinitionError(
            f"@task takes options by name, as in @task(name=...), but got {function!r}. Write the option's name."
        )
    return _declare(function)


def _declare(
    function: Any,
    name: str | None = None,
    queue: str = DEFAULT_QUEUE,
    num_cpus: float = DEFAULT_NUM_CPUS,
    terms: Terms | None = None,
) -> Any:
    if not inspect.isfunction(function):
        raise TaskDefinitionError(
            f"@task expects a function defined with def or async def, got {function!r}. Wrap it in a function."
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TaskDefinitionError(
            f"@task expects a function that returns its result, but {function.__qualname__} yields. Return a list."
        )
    own_name = name if name is not None else f"{function.__module__}.{function.__qualname__}"
    declared.append(DeclaredTask(own_name, queue, float(num_cpus), function, terms or Terms()))
    return function


def _check_options(options: dict[str, Any]) -> None:
    for option in options:
        if option not in OPTIONS:
            near = difflib.get_close_matches(option, OPTIONS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known options: {', '.join(OPTIONS)}."
            raise TaskDefinitionError(f"@task has no option {option!r}. {hint}")
    name, queue, num_cpus = options.get("name"), options.get("queue", DEFAULT_QUEUE), options.get("num_cpus", 1)
    if name is not None and not _is_label(name):
        raise TaskDefinitionError(f"@task option 'name' expects a non-empty string without NUL, got {name!r}.")
    if not _is_label(queue):
        raise TaskDefinitionError(f"@task option 'queue' expects a non-empty string without NUL, got {queue!r}.")
    if not is_number(num_cpus) or num_cpus < 0:
        raise TaskDefinitionError(f"@task option 'num_cpus' expects a number, 0 or more, got {num_cpus!r}.")


def _is_label(value: object) -> bool:
    return isinstance(value, str) and value.strip() != "" and "\0" not in value
