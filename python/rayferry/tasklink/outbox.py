"""What a task process has to say and hasn't said yet. Bounded, whatever the task does: logs and progress have a window
of what the hub hasn't taken yet; beyond it they wait here, and beyond that they are dropped and counted."""

from __future__ import annotations

import threading
from collections import deque

from rayferry.member import LogLevel
from rayferry.tasklink.authority import clock
from rayferry.tasklink.messages import MAX_LOG_CHARACTERS, Attached, Log, Message, Progress

# In what the hub hasn't taken: at most 64 KiB each, so that a result never stands behind more than 1 MiB.
WINDOW = 16
# What waits here, in characters and pieces.
MAX_WAITING_CHARACTERS = 1024 * 1024
MAX_WAITING_PIECES = 4_096
# Sent at most this often: the newest is all that anybody wants to see.
PROGRESS_SECONDS = 0.05
# So that a frame stays far below what a hub takes: 16 logs and as many results are 2 MiB.
MAX_MESSAGES = 32
# What may wait of started, results and the like: far more than a process has between two beats of its hub.
MAX_URGENT = 256


class Outbox:
    """Any thread may post; one takes. Everything goes in the order in which it was posted, except that nothing waits
    for logs and progress that have to wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._posted = 0
        # Each with the number under which it was posted.
        self._urgent: deque[tuple[int, Message]] = deque()
        self._logs: deque[tuple[int, Log]] = deque()
        self._progress: tuple[int, Progress] | None = None
        self._progress_at = 0.0
        self._characters = 0
        self._dropped = 0
        self._sent = 0
        self._taken = 0

    def post(self, message: Message) -> None:
        with self._lock:
            self._urgent.append((self._number(), message))
            if len(self._urgent) > MAX_URGENT:
                # The hub takes nothing: Ray's return value has the results.
                self._urgent.popleft()

    def take_back(self, message: Message) -> bool:
        """The last that was posted. False: it is under way, or something followed."""
        with self._lock:
            if not self._urgent or self._urgent[-1] != (self._posted, message):
                return False
            self._urgent.pop()
            return True

    def post_progress(self, progress: Progress) -> None:
        with self._lock:
            self._progress = (self._number(), progress)

    def post_log(self, execution: str, fence: int, level: LogLevel, text: str) -> None:
        for at in range(0, len(text), MAX_LOG_CHARACTERS):
            piece = text[at : at + MAX_LOG_CHARACTERS]
            with self._lock:
                if len(self._logs) >= MAX_WAITING_PIECES or self._characters + len(piece) > MAX_WAITING_CHARACTERS:
                    self._dropped += 1
                else:
                    self._append(execution, fence, level, piece)

    def finish(self, execution: str, fence: int) -> None:
        """At the end of an attempt: its last progress is due, and what was dropped there no later piece will say."""
        with self._lock:
            self._progress_at = 0.0
            if self._dropped:
                text = f"The last {self._dropped} pieces of the log were dropped: they came too fast."
                self._append(execution, fence, "warn", text)

    def take(self) -> list[Message]:
        """What may be sent now, as much as one frame carries."""
        with self._lock:
            messages: list[Message] = []
            while len(messages) < MAX_MESSAGES and (message := self._next()) is not None:
                messages.append(message)
            return messages

    @property
    def has_urgent(self) -> bool:
        return bool(self._urgent)

    def progress_due(self) -> float | None:
        """In how many seconds there is a progress to be sent, if there is one that waits for nothing else."""
        waits = self._progress is not None and self._sent - self._taken < WINDOW
        return self._progress_at - clock() if waits else None

    def taken(self, count: int) -> None:
        """The hub has this many of the logs and progress since it was last told of this process."""
        with self._lock:
            self._taken = max(self._taken, min(count, self._sent))

    def _number(self) -> int:
        self._posted += 1
        return self._posted

    def _append(self, execution: str, fence: int, level: LogLevel, text: str) -> None:
        self._characters += len(text)
        self._logs.append((self._number(), Log(execution, fence, level, text, self._dropped)))
        self._dropped = 0

    def _next(self) -> Message | None:
        room = self._sent - self._taken < WINDOW
        urgent = self._urgent[0][0] if self._urgent else self._posted + 1
        log = self._logs[0][0] if self._logs and room else self._posted + 1
        due = room and self._progress is not None and clock() >= self._progress_at
        progress = self._progress[0] if self._progress and due else self._posted + 1
        first = min(urgent, log, progress)
        if first > self._posted:
            return None
        if first == urgent:
            urgent_message = self._urgent.popleft()[1]
            if isinstance(urgent_message, Attached):
                # The hub counts from here; what was under way before is taken, or lost.
                self._sent = self._taken = 0
            return urgent_message
        self._sent += 1
        if first == log:
            message = self._logs.popleft()[1]
            self._characters -= len(message.text)
            return message
        newest, self._progress = self._progress, None
        self._progress_at = clock() + PROGRESS_SECONDS
        return newest[1] if newest else None
