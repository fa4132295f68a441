"""What an attempt says of itself while it runs, on its way to the link's control thread."""

from __future__ import annotations

from rayferry.member import LogLevel
from rayferry.tasklink.messages import Progress
from rayferry.tasklink.outbox import Outbox
from rayferry.tasklink.socket import ProcessSocket


class AttemptReport:
    """Of one attempt. Any thread of the task may call it."""

    def __init__(self, outbox: Outbox, socket: ProcessSocket, execution: str, fence: int) -> None:
        self._outbox = outbox
        self._socket = socket
        self._execution = execution
        self._fence = fence

    def progress(self, current: float, total: float | None, message: str | None) -> None:
        self._outbox.post_progress(Progress(self._execution, self._fence, current, total, message))
        due = self._outbox.progress_due()
        if due is None or due <= 0:
            self._socket.wake()

    def log(self, level: LogLevel, text: str) -> None:
        self._outbox.post_log(self._execution, self._fence, level, text)
        self._socket.wake()
