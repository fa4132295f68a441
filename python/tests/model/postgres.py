"""What Postgres knows of executions, and which write-backs it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayferry.bridge.fields import AttemptKey


@dataclass
class Row:
    execution: str
    state: str = "QUEUED"
    fence: int = 0
    holder: str = ""
    epoch: str = ""
    outcomes: list[tuple[int, str, bytes | None]] = field(default_factory=list)


class Postgres:
    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._fence = 0
        # Incarnations whose lease is over, and servers that are known to have ended.
        self.dead: set[str] = set()
        self.dead_epochs: set[str] = set()
        # (epoch, execution, fence) of which a server said that it will never run them.
        self.never: set[tuple[str | None, str, int]] = set()

    def enqueue(self, execution: str) -> None:
        self.rows[execution] = Row(execution)

    def claim(self, holder: str, epoch: str, count: int) -> list[Row]:
        if holder in self.dead:
            return []
        claimed = [row for row in self.rows.values() if row.state == "QUEUED"][:count]
        for row in claimed:
            self._fence += 1
            row.state, row.fence, row.holder, row.epoch = "HELD", self._fence, holder, epoch
        return claimed

    def complete(self, key: AttemptKey, holder: str, outcome: str, value: bytes | None) -> bool:
        """False where it is refused: another fence, another holder, or done."""
        row = self.held(key)
        if row is None or row.holder != holder:
            return False
        row.state = "DONE"
        row.outcomes.append((row.fence, outcome, value))
        return True

    def requeue(self, key: AttemptKey, holder: str) -> None:
        row = self.held(key)
        if row is not None and row.holder == holder:
            row.state = "QUEUED"

    def adopt(self, key: AttemptKey, adopter: str, epoch: str) -> bool:
        """Its holder is dead, its server isn't: the fence stays."""
        row = self.held(key)
        if row is None or row.epoch != epoch or row.holder not in self.dead or adopter in self.dead:
            return False
        row.holder = adopter
        return True

    def sweep(self) -> None:
        """What a server held that is known to have ended runs again."""
        for row in self.rows.values():
            if row.state == "HELD" and row.epoch in self.dead_epochs:
                row.state = "QUEUED"

    def held(self, key: AttemptKey) -> Row | None:
        row = self.rows.get(key[0])
        return row if row is not None and row.state == "HELD" and row.fence == key[1] else None
