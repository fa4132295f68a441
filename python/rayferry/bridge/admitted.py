"""Keys that are let in one by one, by whoever may ask for it: as the clients of a server in an actor."""

from __future__ import annotations

import threading

# A sidecar asks for each connection anew. So many may be in use at once.
MOST_KEYS = 256


class AdmittedKeys:
    """From any thread. The key that wasn't used for the longest time is forgotten for the newest."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self._lock = threading.Lock()

    def admit(self, public_key: str) -> None:
        with self._lock:
            self._use(public_key)
            if len(self._keys) > MOST_KEYS:
                del self._keys[next(iter(self._keys))]

    def allows(self, public_key: str) -> bool:
        with self._lock:
            if public_key not in self._keys:
                return False
            self._use(public_key)
            return True

    def _use(self, public_key: str) -> None:
        self._keys.pop(public_key, None)
        self._keys[public_key] = None
