"""`context`: what a task may ask of, and say about, the attempt that runs it. Outside of one, so that tasks can be
called as plain functions, what they say goes nowhere."""

from __future__ import annotations

import math

from rayferry.errors import NoAttempt
from rayferry.member import LogLevel, Member, interrupts
from rayferry.text import clean

LEVELS = ("debug", "info", "warn", "error")


class Context:
    """The attempt that this process runs now. Usable from any of the task's threads, not from processes it starts."""

    @property
    def execution_id(self) -> str:
        """The execution's UUID. Raises NoAttempt outside of an attempt."""
        return self._member("execution_id").execution

    @property
    def attempt(self) -> int:
        """Which try this is, from 1. Raises NoAttempt outside of an attempt."""
        return self._member("attempt").number

    @property
    def cancelled(self) -> bool:
        """Whether a cancel was asked for. Also after the interrupt that told of it was caught."""
        member = interrupts.current
        return member is not None and member.cancelled

    def progress(self, current: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far it is: `current` of `total`, in whatever unit. Only the newest is kept, so say it as often as you
        like. `message`: at most 1,000 characters are. Raises ValueError for what is no finite number."""
        if not math.isfinite(current) or (total is not None and not math.isfinite(total)):
            raise ValueError(f"progress() expects finite numbers, got {current!r} of {total!r}.")
        member = interrupts.current
        if member is not None and member.report is not None:
            text = None if message is None else clean(str(message)[:1_000])[:1_000]
            member.report.progress(float(current), None if total is None else float(total), text)

    def log(self, level: LogLevel, text: str) -> None:
        """Write a piece of the execution's log, of any length. Never waits: what comes faster than it can be taken is
        dropped, and counted. Raises ValueError for an unknown level."""
        if level not in LEVELS:
            raise ValueError(f"log() expects a level of {', '.join(LEVELS)}, got {level!r}.")
        member = interrupts.current
        if member is not None and member.report is not None:
            member.report.log(level, clean(str(text)))

    def _member(self, asked: str) -> Member:
        member = interrupts.current
        if member is None:
            raise NoAttempt(
                f"context.{asked} was read outside of an attempt. Only a task that a worker runs, in the process that "
                "runs it, has one: pass it as an argument where you call the task yourself."
            )
        return member


context = Context()
