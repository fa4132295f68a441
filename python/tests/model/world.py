"""The real server in this world: steps that a schedule is made of, and what must hold after each and in the end."""

from __future__ import annotations

from collections import Counter, deque

from model.network import Network, numbered
from model.postgres import Postgres
from model.runner import Scripted, ScriptedRunner
from model.worker import CREDIT, ModelWorker
from rayferry.log import no_log
from rayferry.server import Server
from rayferry.server.results import Results

# Rounds of half a second in which a healed world has to come to rest.
ROUNDS = 120


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.network = Network()
        self.postgres = Postgres()
        self.runner = ScriptedRunner()
        self.workers: list[ModelWorker] = []
        self.executions = 0
        self._start_server()
        self.start_worker("submit")
        self.flow(0)

    def _start_server(self) -> None:
        # Some results are spilled: each is about 40 bytes.
        self.results = Results(no_log, memory_bytes=100)
        self.runner = ScriptedRunner()
        self.server = Server(self.runner, build="0", log=no_log, results=self.results, clock=lambda: self.now)
        self.server.start()
        self.server.attach(self.network)

    # Steps. Each takes a number, and does with it what makes sense at the time.

    def enqueue(self, number: int) -> None:
        for _ in range(number % 4 + 1):
            self.executions += 1
            self.postgres.enqueue(f"execution-{self.executions:04d}")

    def claim(self, number: int) -> None:
        self._one(number).claim(number % 5 + 1)

    def adopt(self, number: int) -> None:
        self._one(number).adopt_from_dead()

    def cancel(self, number: int) -> None:
        self._one(number).ask(number % 3, "cancel", float(number % 2))

    def withdraw(self, number: int) -> None:
        self._one(number).ask(number % 3, "withdraw")

    def submit_again(self, number: int) -> None:
        """At any time, says the page."""
        self._one(number).ask(number % 3, "submit", 1, "run", "application/json", b"{}", None, 0.0, {})

    def begin(self, number: int) -> None:
        waiting = [each for each in self.runner.live if not each.started]
        if waiting:
            self.runner.begin(waiting[number % len(waiting)])

    def end(self, number: int) -> None:
        if self.runner.live:
            self._end(self.runner.live[number % len(self.runner.live)])

    def _end(self, each: Scripted) -> None:
        if each.interrupted:
            self.runner.die(each)
        else:
            self.runner.succeed(each)

    def chatter(self, number: int) -> None:
        for each in self.runner.live[: number % 3 + 1]:
            each.events.log("info", "x" * number)
            each.events.progress(number, None, None)

    def up(self, number: int) -> None:
        if connection := self._one(number).connection:
            self.network.deliver_up(connection, number % 4 + 1)

    def down(self, number: int) -> None:
        self._down(self._one(number), number % 4 + 1)

    def _down(self, worker: ModelWorker, count: int) -> None:
        connection = worker.connection
        for _ in range(count if connection is None else min(count, len(connection.down))):
            if connection is not None and connection.down:
                worker.take(self.network.deliver_down(connection), self.now)

    def repeat(self, number: int) -> None:
        """A frame comes again, at once or later."""
        connection = self._one(number).connection
        if connection is not None and connection.stands:
            past, queue = [(connection.past_up, connection.up), (connection.past_down, connection.down)][number % 2]
            if past and not any(not numbered(each) for each in queue):
                queue.appendleft(past[number % len(past)])

    def swap(self, number: int) -> None:
        if queue := self._numbered_first(number, 2):
            queue[0], queue[1] = queue[1], queue[0]

    def lose(self, number: int) -> None:
        """Frames are lost with their connection only: `come_to_rest` begins with new ones."""
        if queue := self._numbered_first(number, 1):
            queue.popleft()

    def requeue(self, number: int) -> None:
        """Postgres gives a held one to whoever claims it next, and tells nobody."""
        if self.executions:
            row = self.postgres.rows[f"execution-{number % self.executions + 1:04d}"]
            self.postgres.requeue((row.execution, row.fence), row.holder)

    def break_off(self, number: int) -> None:
        if connection := self._one(number).connection:
            self.network.break_off(connection)

    def notice(self, number: int) -> None:
        if connection := self._one(number).connection:
            self.network.notice(connection)

    def connect(self, number: int) -> None:
        self._one(number).connect()

    def hold(self, number: int) -> None:
        self._one(number).holds ^= True

    def record(self, number: int) -> None:
        self._one(number).record(number % 5 + 1)

    def flow(self, number: int) -> None:
        """All that is under way arrives, and is answered."""
        for worker in self.workers:
            if worker.connection is not None:
                self.network.deliver_up(worker.connection, 100)
        self.turn(0)
        for worker in self.workers:
            self._down(worker, 100)

    def turn(self, number: int) -> None:
        for _ in range(number % 3 + 1):
            if self.server.turn(self.network) is not None:
                return self.crash_server(number)
        return None

    def wait(self, number: int) -> None:
        """Up to four seconds: two of these, unheard, and a server's authority is over."""
        self.now += number % 40 / 10
        for worker in self.workers:
            worker.beat(self.now)

    def crash_worker(self, number: int) -> None:
        """It may die between its commit and its word of it."""
        worker = self._one(number)
        worker.record(number % 3, tell=False)
        self.workers.remove(worker)
        self.postgres.dead.add(worker.incarnation)
        if worker.connection is not None:
            self.network.break_off(worker.connection)
        self._succeed(worker)

    def oust_worker(self, number: int) -> None:
        """Its lease is over, and it doesn't know: it goes on beside its successor."""
        worker = self._one(number)
        if not worker.is_ousted:
            self.postgres.dead.add(worker.incarnation)
            self._succeed(worker)

    def crash_server(self, number: int) -> None:
        self.server.shut_down()
        self.network.server_gone()
        self.postgres.dead_epochs.add(self.server.epoch)
        self._start_server()

    def sweep(self, number: int) -> None:
        self.postgres.sweep()

    def fail_over(self, number: int) -> None:
        """Postgres has another timeline, and may have lost rows."""
        for worker in self.workers:
            worker.timeline += 1

    def _succeed(self, worker: ModelWorker) -> None:
        """One worker submits; a second one, drained of its submits, adopts beside it."""
        if not worker.is_ousted or worker.role == "submit":
            submits = any(each.role == "submit" and not each.is_ousted for each in self.workers)
            self.start_worker("drain" if submits else "submit")

    def start_worker(self, role: str) -> None:
        self.workers.append(ModelWorker(self.network, self.postgres, role))
        self.workers[-1].connect()

    def _one(self, number: int) -> ModelWorker:
        return self.workers[number // 7 % len(self.workers)]

    def _numbered_first(self, number: int, count: int) -> deque[bytes] | None:
        """One of those queues whose first frames have numbers."""
        connections = [each.connection for each in self.workers if each.connection is not None]
        queues = [queue for each in connections for queue in (each.up, each.down)]
        found = [queue for queue in queues if len(queue) >= count and all(map(numbered, list(queue)[:count]))]
        return found[number % len(found)] if found else None

    # What must hold.

    def check(self) -> None:
        unkilled = Counter(each.execution for each in self.runner.live if not each.killed)
        assert all(count == 1 for count in unkilled.values()), f"two live attempts of one execution: {unkilled}"
        for each in self.runner.live:
            assert (self.server.epoch, *each.key) not in self.postgres.never, (
                "it runs, though the server said that it never will"
            )
        assert max(self.runner.submitted.values(), default=0) <= 1, "one attempt was started twice"
        for row in self.postgres.rows.values():
            assert len(row.outcomes) <= 1, f"recorded twice: {row}"
        for session in self.server.sessions:
            messages, size = session.outgoing.outstanding
            assert messages <= CREDIT["messages"]
            assert size <= CREDIT["bytes"] or messages == 1

    def come_to_rest(self) -> None:
        """The world is healed: now all that was begun has to end."""
        self.workers = [worker for worker in self.workers if not worker.is_ousted] or self.workers
        if all(worker.role == "drain" or worker.is_ousted for worker in self.workers):
            self.start_worker("submit")
        for worker in self.workers:
            worker.connect()
        for _ in range(ROUNDS):
            if self._rests():
                return self._check_the_end()
            self._round()
        raise AssertionError(f"it didn't come to rest: {self._unrest()}")

    def _round(self) -> None:
        self.now += 0.5
        self.sweep(0)
        for worker in self.workers:
            worker.holds = False
            if worker.state == "connecting" or worker.connection is None or not worker.connection.stands:
                worker.connect()
            worker.beat(self.now)
            worker.adopt_from_dead()
            worker.claim(100)
            worker.record(100)
        self.flow(0)
        for each in list(self.runner.live):
            self._end(each)
        self.check()

    def _rests(self) -> bool:
        return not any(self._unrest().values())

    def _unrest(self) -> dict[str, object]:
        """Whatever is not at rest, by name."""
        living = {worker.incarnation for worker in self.workers}
        sessions = [session for session in self.server.sessions if session.incarnation in living]
        return {
            "not done": [row for row in self.postgres.rows.values() if row.state != "DONE"],
            "running": self.runner.live,
            "held by the server": self.server.holds,
            "kept for a worker": [each.outgoing.outstanding for each in sessions if each.outgoing.outstanding[0]],
            "waiting for credit": sum(session.backlog for session in sessions),
            "unrecorded bytes": self.results.total,
            "not consumed by the server": [worker.kept for worker in self.workers if worker.kept],
        }

    def _check_the_end(self) -> None:
        for row in self.postgres.rows.values():
            ((fence, outcome, value),) = row.outcomes
            assert fence == row.fence
            assert outcome in ("SUCCEEDED", "CANCELLED")
            if outcome == "SUCCEEDED":
                assert value == f"{row.execution}/{fence}".encode(), "another attempt's result"
