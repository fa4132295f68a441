"""How deep and how wide a field of open content may be, checked before it is decoded.

A whole frame isn't walked: that costs 0.25 us a value in Python, more than decoding it. It needn't be: a typed field
bounds its own depth, and `msgspec.Meta(max_length=...)` refuses an array by its head, before anything is allocated.
Without it, 64 MiB of empty arrays take 4.7 GB and 10 s. Only what is typed `Any` is left, and stays `msgspec.Raw` until
it has passed here.
"""

from __future__ import annotations

from rayferry.errors import FrameRefused

# Levels of arrays and maps, the envelope included.
MAX_DEPTH = 32
# Values in one open field, with arrays, maps and their keys.
MAX_VALUES = 10_000

# For each first byte: how many bytes are the value's own, that one included.
_FIXED = {
    **dict.fromkeys([*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3], 1),
    **{0xA0 + length: 1 + length for length in range(32)},
    **dict.fromkeys([0xCC, 0xD0], 2),
    **dict.fromkeys([0xCD, 0xD1], 3),
    **dict.fromkeys([0xCA, 0xCE, 0xD2], 5),
    **dict.fromkeys([0xCB, 0xCF, 0xD3], 9),
}
# Bytes of the length that follows, for strings and bytes.
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
# (bytes of the count that follows, values for each that is counted), for arrays and maps.
_COUNTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def check_nesting(data: bytes | memoryview, outside: int = 0) -> None:
    """Raises FrameRefused for a value of MessagePack that is nested too deep, has too many values, or ends early.

    `outside` is how many levels already surround it.
    """
    view = memoryview(data)
    at, values = 0, 1
    # Values still to come on each level.
    still = [1]
    while still:
        if still[-1] == 0:
            still.pop()
            continue
        still[-1] -= 1
        at, children = _step(view, at)
        if children:
            values += children
            still.append(children)
            if len(still) - 1 + outside > MAX_DEPTH:
                raise _bad(f"Arrays and maps are nested at most {MAX_DEPTH} levels deep, but this frame goes deeper.")
            if values > MAX_VALUES:
                raise _bad(f"An open field has at most {MAX_VALUES:,} values, but this one has more.")
    if at != len(view):
        raise _bad(f"{len(view) - at} bytes follow the end of a value.")


def _step(view: memoryview, at: int) -> tuple[int, int]:
    """Where the next value begins: for an array or a map, inside it; and how many values are in it."""
    first = view[at] if at < len(view) else None
    children = 0
    if first is None:
        end = len(view) + 1
    elif first in _FIXED:
        end = at + _FIXED[first]
    elif first in _SIZED:
        start = at + 1 + _SIZED[first]
        end = start + int.from_bytes(view[at + 1 : start], "big")
    elif first in _COUNTED:
        width, each = _COUNTED[first]
        end = at + 1 + width
        children = each * int.from_bytes(view[at + 1 : end], "big")
    elif first < 0xA0:
        end = at + 1
        children = (first & 0x0F) * (2 if first < 0x90 else 1)
    else:
        # What is left are extension types, and 0xc1, which is nothing.
        raise _bad(f"0x{first:x} begins no value that a frame may have.")
    # Each child takes a byte at least.
    if end + children > len(view):
        raise _bad("A value ends before what it announces.")
    return end, children


def _bad(sentence: str) -> FrameRefused:
    return FrameRefused("BAD_FRAME", sentence)
