"""MessagePack's extension types in a payload, as docs/payloads.md has them byte for byte.

src/payload/extensions.ts writes and reads the same ones; bridge/payload-fixtures/ holds examples for the tests of both.
"""

from __future__ import annotations

from typing import Any

from msgspec.msgpack import Ext

from rayferry.payload.arrays import read_typed_array
from rayferry.payload.forms import NoForm
from rayferry.payload.times import ZONED_DATE, read_zoned_date

# Big-endian two's complement, of an integer beyond 64 bits.
WIDE_INTEGER = 1
# One letter for the type of the elements, then the elements, little-endian.
TYPED_ARRAY = 2
# 4 KiB: an integer of 9,864 digits. Multiplying what a stranger sent must not take for ever.
MAX_INTEGER_BYTES = 4096
MIN_64_BIT, MAX_64_BIT = -(2**63), 2**64 - 1


def read_extension(code: int, data: memoryview) -> Any:
    """For msgspec's `ext_hook`; timestamps it reads itself. Raises ValueError."""
    if code == WIDE_INTEGER:
        return _read_wide_integer(data)
    if code == TYPED_ARRAY:
        return read_typed_array(data)
    if code == ZONED_DATE:
        return read_zoned_date(data)
    raise ValueError(f"extension {code} is none that this version of rayferry knows")


def integer_form(value: int) -> int | Ext:
    """Itself within 64 bits. Raises NoForm over 4 KiB."""
    if MIN_64_BIT <= value <= MAX_64_BIT:
        return value
    # One bit is the sign's.
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    if size > MAX_INTEGER_BYTES:
        raise NoForm(f"an integer of more than {MAX_INTEGER_BYTES:,} bytes", "Return it as a string.")
    return Ext(WIDE_INTEGER, value.to_bytes(size, "big", signed=True))


def _read_wide_integer(data: memoryview) -> int:
    if not 1 <= len(data) <= MAX_INTEGER_BYTES:
        raise ValueError(f"an integer has {len(data)} bytes; expected 1 to {MAX_INTEGER_BYTES}")
    return int.from_bytes(data, "big", signed=True)
