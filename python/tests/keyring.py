"""CURVE keys for tests, made without the code under test."""

from __future__ import annotations

import json
from pathlib import Path

import zmq


class Pair:
    def __init__(self, role: str, name: str = "") -> None:
        public, secret = zmq.curve_keypair()
        self.role, self.name = role, name or role
        self.public, self.secret = public.decode(), secret.decode()

    def save(self, folder: Path) -> Pair:
        """Writes `NAME.key` and `NAME.pub`."""
        fields = {"rayferry_key": self.role, "name": self.name, "public": self.public}
        self.key, self.pub = folder / f"{self.name}.key", folder / f"{self.name}.pub"
        self.key.write_text(json.dumps(fields | {"secret": self.secret}))
        self.key.chmod(0o600)
        self.pub.write_text(json.dumps(fields))
        return self
