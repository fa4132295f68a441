"""How much of a proof that could go on for ever a run takes on itself."""

import os

BRIEF = os.environ.get("RAYFERRY_TEST_EFFORT") == "brief"


def rounds(full: int, brief: int) -> int:
    """`brief` in `make test-fast`."""
    return brief if BRIEF else full
