"""A worker by the page, with none of the code under test."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from model.network import Connection, Network
from model.postgres import Postgres
from rayferry.bridge.fields import AttemptKey

SILENCE = 10.0
CREDIT = {"messages": 6, "bytes": 2_000}


class ModelWorker:
    def __init__(self, network: Network, postgres: Postgres, role: str) -> None:
        self.incarnation = str(uuid.uuid4())
        self.role = role
        self.connection: Connection | None = None
        self.timeline = 1
        # Consumes nothing, so acknowledges nothing.
        self.holds = False
        # Incarnations that were dead when this one last asked for an inventory.
        self._replaced: set[str] = set()
        self._submitted: set[AttemptKey] = set()
        # Results that wait for Postgres.
        self.completions: list[tuple[tuple[str, int], str, bytes | None]] = []
        self._network = network
        self._postgres = postgres
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.state = "connecting"
        self.epoch: str | None = None
        self.session: str | None = None
        self.known = False
        self.hellos = self.sent = self.received = self.consumed = 0
        self.kept: dict[int, list[Any]] = {}
        self.inventory: list[list[Any]] = []
        self.tick: float | None = None
        self.heard_at: float | None = None

    @property
    def is_ousted(self) -> bool:
        return self.incarnation in self._postgres.dead

    def connect(self) -> None:
        self.connection = self._network.connect(self.incarnation.encode())
        self.hello()

    def hello(self) -> None:
        self.state = "greeting"
        self.hellos += 1
        self._dead_at_hello = set(self._postgres.dead)
        resume = [self.session, self.received] if self.session else None
        who = ["hello", 1, 1, "0", "model", self.incarnation, self.hellos, self.role, sorted(self._postgres.dead)]
        self._transmit(0, [[*who, resume, {"system_id": "1", "timeline": self.timeline}, CREDIT, []]])

    def _before_asking(self) -> None:
        """An inventory says nothing of what is submitted after it was asked for."""
        self._replaced = set(self._postgres.dead)
        self._submitted = {(row.execution, row.fence) for row in self._postgres.rows.values() if row.state == "HELD"}
        self.inventory = []

    def claim(self, count: int) -> None:
        if self.state == "open" and self.known and self.role == "submit" and self.epoch:
            rows = self._postgres.claim(self.incarnation, self.epoch, count)
            what = [1, "run", "application/json", b"{}", None, 0.0, {}]
            messages = [["submit", row.execution, row.fence, *what] for row in rows]
            if messages:
                self.say(*messages)

    def adopt_from_dead(self) -> None:
        """An inventory from before a death doesn't tell what the dead one recorded at the last: ask for another."""
        if self.state == "open" and self.known and self._postgres.dead - self._replaced - {self.incarnation}:
            self._before_asking()
            self.say(["inventory"])

    def ask(self, index: int, kind: str, *fields: Any) -> None:
        """Of one of the first that it holds here."""
        rows = [row for row in self._postgres.rows.values() if row.state == "HELD" and row.epoch == self.epoch]
        mine = [row for row in rows if row.holder == self.incarnation]
        if self.state == "open" and self.known and index < len(mine):
            self.say([kind, mine[index].execution, mine[index].fence, *fields])

    def record(self, count: int, tell: bool = True) -> None:
        """Commits; `tell` False: it dies before it can say so."""
        batch, self.completions = self.completions[:count], self.completions[count:]
        for key, outcome, value in batch:
            self._postgres.complete(key, self.incarnation, outcome, value)
        if batch and tell and self.state != "connecting":
            self.say(["recorded", [list(key) for key, _, _ in batch]])

    def say(self, *messages: list[Any]) -> None:
        self.sent += 1
        self.kept[self.sent] = list(messages)
        if self.state == "open":
            self._transmit(self.sent, self.kept[self.sent])

    def beat(self, now: float) -> None:
        if self.heard_at is not None and now - self.heard_at > SILENCE:
            self._begin_anew()
        if self.state == "open":
            self._transmit(0, [["heartbeat", 0], *([["authority", self.tick]] if self.tick is not None else [])])

    def _transmit(self, seq: int, messages: list[Any]) -> None:
        if self.connection is not None and self.connection.stands:
            if not self.holds:
                self.consumed = self.received
            self.connection.up.append(msgspec.msgpack.encode([1, self.epoch, seq, self.consumed, messages]))

    def take(self, frame: bytes, now: float) -> None:
        _, epoch, seq, ack, messages = msgspec.msgpack.decode(frame)
        self.heard_at = now
        if self.epoch is not None and epoch != self.epoch:
            self._begin_anew()
        elif self.state == "greeting":
            self._answered(messages)
        elif self.state == "open":
            assert ack <= self.sent, "the server acknowledged what was never sent"
            self._acknowledged(ack)
            if seq > self.received + 1:
                self.hello()
            elif seq == 0 or seq == self.received + 1:
                self.received = max(seq, self.received)
                for message in messages:
                    # What comes behind a `gap` is still acted upon; behind the end of the session nothing is.
                    if self.state == "connecting":
                        return
                    self._act(message)

    def _answered(self, messages: list[Any]) -> None:
        for message in messages:
            if message[0] in ("fault", "refused"):
                self._begin_anew()
            elif message[0] == "welcome" and message[4] == self.hellos:
                _, _, _, epoch, _, session, resumed, received, tick, *_ = message
                if not resumed and self.session is not None:
                    hellos = self.hellos
                    self._begin_anew()
                    self.hellos = hellos
                if not resumed:
                    self._before_asking()
                    self._replaced = self._dead_at_hello
                self.state, self.epoch, self.session, self.tick = "open", epoch, session, tick
                self._acknowledged(received)
                for seq, kept in self.kept.items():
                    self._transmit(seq, kept)

    def _acknowledged(self, ack: int) -> None:
        self.kept = {seq: messages for seq, messages in self.kept.items() if seq > ack}

    def _act(self, message: list[Any]) -> None:
        match message:
            case ["inventory", attempts, last]:
                self.inventory += attempts
                if last:
                    self._compare()
            case ["result", execution, fence, outcome, _, value, _, _, _]:
                self.completions.append(((execution, fence), outcome, value))
            case ["rejected", execution, fence, code, _] if code != "NOT_HOLDER":
                # It doesn't run here and never will.
                self._postgres.never.add((self.epoch, execution, fence))
                self._postgres.requeue((execution, fence), self.incarnation)
            case ["heartbeat", tick, *_]:
                self.tick = tick
            case ["gap", _]:
                self.hello()
            case ["fault", *_]:
                self._begin_anew()

    def _compare(self) -> None:
        """The inventory with Postgres."""
        assert self.epoch is not None
        there = {(execution, fence): holder for execution, fence, holder, _ in self.inventory}
        for key in there:
            self._postgres.adopt(key, self.incarnation, self.epoch)
        # Also what it had adopted before, when its word of that didn't arrive.
        mine = [key for key in there if (row := self._postgres.held(key)) and row.holder == self.incarnation]
        adopted = [key for key in mine if there[key] != self.incarnation]
        unknown = [key for key in sorted(there) if self._postgres.held(key) is None]
        for key in self._submitted - there.keys():
            row = self._postgres.held(key)
            if row is not None and row.epoch == self.epoch and row.holder in {self.incarnation, *self._postgres.dead}:
                self._postgres.requeue(key, row.holder)
        if adopted:
            self.say(["adopt", [list(key) for key in adopted]])
        if unknown:
            self.say(["discard", [list(key) for key in unknown]])
        self.known = True
