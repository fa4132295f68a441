"""Text that comes from users' code, made fit to be sent and stored."""

from __future__ import annotations


def clean(text: str) -> str:
    """Without NUL, which Postgres's text can't have, and lone surrogates, which UTF-8 can't."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
