"""An attempt in a process of its own, with a link to a hub of the test's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from support import PACKAGE, PROJECT, until

from tests.tasklink.peers import Heard


class Own:
    """`timeout`: (seconds, grace)."""

    def __init__(
        self,
        hub: Any,
        task: str,
        *arguments: Any,
        attempts: int = 1,
        listener: Any = lambda _fence: Heard(),
        timeout: tuple[float, float] | None = None,
    ) -> None:
        self.execution = str(uuid.uuid4())
        listeners = [listener(fence) for fence in range(1, attempts + 1)]
        self.heard = listeners[0]
        for fence, each in enumerate(listeners, 1):
            hub.expect(self.execution, fence, each)
        script = Path(__file__).with_name("task_process.py")
        command = [sys.executable, str(script), hub.address.hex(), self.execution, str(attempts)]
        command += [task, json.dumps(arguments), json.dumps(timeout)]
        path = os.pathsep.join([str(PACKAGE), str(PROJECT)])
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Own:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def begun(self) -> Any:
        return until("it begins", lambda: self.heard.of("begun"), 20)[0]

    def ended(self) -> Any:
        """Its result. A process that ends has 100 ms to push it, which isn't always enough on a busy machine."""
        return until("its result", lambda: self.heard.of("ended"), 20)[0][1]

    def ends(self, seconds: float = 10) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out.strip(), err
