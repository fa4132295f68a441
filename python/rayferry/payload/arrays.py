"""Typed arrays of JavaScript and arrays of numpy. numpy is used where it is installed, and never needed.

Every machine that Ray and Node run on is little-endian, and so are the elements.
"""

from __future__ import annotations

import array
import functools
import importlib
import importlib.util
import sys
from typing import Any

from rayferry.payload.forms import NoForm, named

# The letters of Python's struct and array modules, and numpy's names for the same elements. `C` is ours: Uint8Clamped.
_DTYPES = {
    "b": "i1",
    "B": "u1",
    "C": "u1",
    "h": "<i2",
    "H": "<u2",
    "i": "<i4",
    "I": "<u4",
    "q": "<i8",
    "Q": "<u8",
    "e": "<f2",
    "f": "<f4",
    "d": "<f8",
}
_LETTERS = {dtype.lstrip("<"): letter for letter, dtype in _DTYPES.items() if letter != "C"}
_KINDS_WITH_LISTS = "bUSO"
_LARGEST_FLOAT = 8


def read_typed_array(data: memoryview) -> Any:
    """A numpy array, or an array.array without numpy; both may be written to. Raises ValueError."""
    letter, body = chr(data[0]) if len(data) else "", data[1:]
    dtype = _DTYPES.get(letter)
    if dtype is None:
        raise ValueError(f"an array has elements of an unknown type {letter!r}")
    size = int(dtype[-1])
    if len(body) % size:
        raise ValueError(f"an array of {dtype.lstrip('<')} has {len(body)} bytes; each element has {size}")
    numpy = _numpy()
    if numpy is not None:
        return numpy.frombuffer(body, dtype).copy()
    if letter == "e":
        raise ValueError("a Float16Array needs numpy, which isn't installed here")
    plain = array.array("B" if letter == "C" else letter)
    plain.frombytes(body)
    return plain


def array_form(value: Any) -> bytes | list[Any] | None:
    """The bytes of a typed array (its letter first), or a list of plain values; None for what is no array.

    Raises NoForm for elements that JavaScript has no word for.
    """
    if isinstance(value, memoryview | array.array):
        return _buffer_form(memoryview(value))
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return None
    kind = value.dtype.kind
    letter = _LETTERS.get(f"{kind}{value.dtype.itemsize}")
    # A masked array's data is not its values: its list has None where it is masked.
    is_masked = type(value).__name__ == "MaskedArray"
    if letter is not None and value.ndim == 1 and not is_masked:
        return letter.encode() + bytes(value.astype(_DTYPES[letter], copy=False).tobytes())
    if letter is not None or kind in _KINDS_WITH_LISTS:
        return list(value.tolist())
    raise NoForm(f"a numpy array of {value.dtype}", _remedy(kind))


def scalar_form(value: Any) -> Any:
    """The plain value of a numpy scalar, or the scalar of an array without dimensions; itself for anything else.

    Raises NoForm.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return value
    if isinstance(value, numpy.ndarray) and value.ndim == 0:
        return value[()]
    if not isinstance(value, numpy.generic):
        return value
    kind = value.dtype.kind
    if kind in "biuUS" or (kind == "f" and value.dtype.itemsize <= _LARGEST_FLOAT):
        return value.item()
    raise NoForm(named(value), _remedy(kind))


def _buffer_form(view: memoryview) -> bytes:
    # By size and not by letter: C's long, `l`, has 4 bytes or 8.
    kind = "f" if view.format in "efd" else "i" if view.format in "bhilq" else "u"
    letter = _LETTERS.get(f"{kind}{view.itemsize}") if view.format in "bBhHiIlLqQefd" else None
    if letter is None or view.ndim != 1:
        raise NoForm(f"an array of format {view.format!r} in {view.ndim} dimension(s)", "Return a list.")
    return letter.encode() + view.tobytes()


def _remedy(kind: str) -> str:
    return {
        "M": "Return str(value), or numpy.datetime_as_string(array).tolist().",
        "m": "Return a number of a unit: value / numpy.timedelta64(1, 's').",
        "c": "Return its real and imag parts.",
        "f": "Return float(value), or array.astype('float64').",
    }.get(kind, "Return its plain parts.")


@functools.cache
def _numpy() -> Any:
    # find_spec first: an import that fails halfway is an error to see, not a package to do without.
    return importlib.import_module("numpy") if importlib.util.find_spec("numpy") else None
