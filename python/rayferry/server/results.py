"""The values of results that aren't recorded yet: in memory up to a limit, then in a file. Nothing is ever dropped."""

from __future__ import annotations

import tempfile
from io import FileIO

import msgspec

from rayferry.log import Log

MEMORY_BYTES = 256 * 1024 * 1024


class Kept(msgspec.Struct, eq=False, gc=False):
    """One value: its bytes, or where they are in the file."""

    data: bytes | None
    offset: int
    size: int


class Results:
    def __init__(self, log: Log, memory_bytes: int = MEMORY_BYTES, folder: str | None = None) -> None:
        self.memory_bytes = memory_bytes
        self.in_memory = 0
        self.in_file = 0
        self._log = log
        self._folder = folder
        self._file: FileIO | None = None
        self._spilled = 0

    @property
    def total(self) -> int:
        return self.in_memory + self.in_file

    @property
    def has_room(self) -> bool:
        """False until what was spilled is gone again: a server then asks for no more work."""
        return self.in_file == 0 and self.in_memory < self.memory_bytes

    def keep(self, data: bytes) -> Kept:
        size = len(data)
        if self.in_memory + size > self.memory_bytes:
            offset = self._spill(data)
            if offset is not None:
                self.in_file += size
                return Kept(None, offset, size)
        self.in_memory += size
        return Kept(data, 0, size)

    def read(self, kept: Kept) -> bytes:
        if kept.data is not None:
            return kept.data
        assert self._file is not None
        self._file.seek(kept.offset)
        data = bytearray(kept.size)
        room = memoryview(data)
        while room and (count := self._file.readinto(room)):
            room = room[count:]
        assert not room, "the spool file was cut"
        return bytes(data)

    def drop(self, kept: Kept) -> None:
        if kept.data is not None:
            self.in_memory -= kept.size
            return
        self.in_file -= kept.size
        self._spilled -= 1
        if self._spilled == 0 and self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self, data: bytes) -> int | None:
        try:
            file = self._file = self._file or self._open_file()
            offset = file.seek(0, 2)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError:
                file.truncate(offset)
                raise
        except OSError as error:
            # A result is never dropped: then rather more memory.
            self._log("error", "A result couldn't be spilled to a file; it stays in memory.", reason=str(error))
            return None
        self._spilled += 1
        return offset

    def _open_file(self) -> FileIO:
        # Without a name: it goes with the process, as everything that it stands for. Unbuffered: what a full disk
        # didn't take would stay in the buffer, and each later read would fail over it.
        file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        self._log("warn", "Results fill the memory set aside for them: spilling to a file.", bytes=self.in_memory)
        return file
