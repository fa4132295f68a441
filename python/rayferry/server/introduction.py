"""What a server says of itself, and of what it holds, to a worker that has said hello."""

from __future__ import annotations

import os
import platform

from rayferry.bridge.fields import PROTOCOL
from rayferry.bridge.from_server import Inventory, RegistryMessage, Welcome
from rayferry.bridge.from_worker import Hello
from rayferry.server.attempts import Attempts
from rayferry.server.authority import Authority
from rayferry.server.runner import Started
from rayferry.server.session import CREDIT, Session

# Attempts in one `inventory`.
INVENTORY_PART = 5_000


class Introduction:
    def __init__(
        self, *, build: str, epoch: str, generation: str | None, authority: Authority, started: Started
    ) -> None:
        self._build = build
        self._epoch = epoch
        self._generation = generation
        self._authority = authority
        self._started = started
        self._digest = started.registry.digest()

    def welcome(self, session: Session, resumed: bool, hello: Hello, now: float) -> Welcome:
        return Welcome(
            protocol=PROTOCOL,
            build=self._build,
            epoch=self._epoch,
            hello=hello.hello,
            session=session.id,
            resumed=resumed,
            received=session.incoming.received,
            tick=now,
            authority_seconds=self._authority.seconds,
            pid=os.getpid(),
            python=platform.python_version(),
            generation=self._generation,
            cluster=self._started.cluster,
            registry_digest=self._digest,
            credit=CREDIT,
            capabilities=[],
        )

    def post_all(self, session: Session, attempts: Attempts) -> None:
        """To a new session: the tasks, what is held, and how that ended."""
        session.post(RegistryMessage(self._started.registry.tasks, self._started.registry.failures))
        post_inventory(session, attempts)
        for held in attempts.ended_of(session.incarnation):
            session.post(held.result)


def post_inventory(session: Session, attempts: Attempts) -> None:
    held = attempts.inventory()
    parts = [held[at : at + INVENTORY_PART] for at in range(0, len(held), INVENTORY_PART)] or [[]]
    for part in parts[:-1]:
        session.post(Inventory(part, last=False))
    session.post(Inventory(parts[-1], last=True))
