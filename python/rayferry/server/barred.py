"""Attempts of which this server has said that it doesn't have them and never will run them."""

from __future__ import annotations

# A submit can only come that late while it is under way: credit bounds how many are (20,000 a session).
MAX_BARRED = 50_000


class Barred:
    """The newest such fence of each execution; those before it are as barred."""

    def __init__(self, limit: int = MAX_BARRED) -> None:
        self._limit = limit
        # In the order in which they were barred: the oldest goes first.
        self._fences: dict[str, int] = {}

    def add(self, execution: str, fence: int) -> None:
        self._fences[execution] = max(fence, self._fences.pop(execution, 0))
        if len(self._fences) > self._limit:
            del self._fences[next(iter(self._fences))]

    def newest(self, execution: str) -> int:
        """0 where there is none."""
        return self._fences.get(execution, 0)
