"""What a server does each second: it looks after its sessions, its runner and its cluster, and says how it is."""

from __future__ import annotations

from typing import Literal

from rayferry.bridge.fields import ClusterFacts
from rayferry.bridge.from_server import ClusterMessage, Heartbeat
from rayferry.log import Log
from rayferry.server.attempts import Attempts
from rayferry.server.authority import Authority
from rayferry.server.results import Results
from rayferry.server.runner import Runner
from rayferry.server.sessions import Sessions

HEARTBEAT_SECONDS = 1.0


class Pulse:
    def __init__(
        self,
        runner: Runner,
        attempts: Attempts,
        sessions: Sessions,
        results: Results,
        authority: Authority,
        log: Log,
    ) -> None:
        self._runner = runner
        self._attempts = attempts
        self._sessions = sessions
        self._results = results
        self._authority = authority
        self._log = log
        self._next = 0.0
        self._reachable = True

    def beat(self, now: float, retired: bool) -> Literal["RUNNER_BROKEN", "RETIRED"] | None:
        """Does nothing before the second is over. Says why the server is to end, if it is."""
        if now < self._next:
            return None
        self._next = now + HEARTBEAT_SECONDS
        self._sessions.look_after(now)
        self._runner.grant(self._authority.left(now))
        trouble = self._runner.trouble()
        running, unrecorded = self._attempts.counts()
        if trouble is not None:
            # Everything would be lost that is submitted to it: a new server is the only way on.
            self._log("error", "The runner is broken: ending.", reason=trouble)
            return "RUNNER_BROKEN"
        if retired and running == unrecorded == 0:
            return "RETIRED"
        facts = self._cluster_facts()
        accepting = self._results.has_room and (facts is None or facts.reachable)
        heartbeat = Heartbeat(now, running, unrecorded, self._results.total, accepting)
        for session in self._sessions:
            session.say(heartbeat)
            if facts is not None and session.may_tell_cluster(facts.reachable, now):
                session.say(ClusterMessage(facts))
        return None

    def _cluster_facts(self) -> ClusterFacts | None:
        facts = self._runner.cluster()
        reachable = facts is None or facts.reachable
        if reachable != self._reachable:
            self._reachable = reachable
            if reachable:
                self._log("info", "Ray answers again.")
            else:
                self._log("error", "Ray hasn't answered for 15 s: accepting nothing until it does.")
        return facts
