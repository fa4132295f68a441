"""numpy both ways, and without it."""

import array

import numpy as np
import pytest

from rayferry.errors import ResultNotSerializable
from rayferry.payload import JSON, MSGPACK, decode_input, encode_result
from rayferry.payload.arrays import read_typed_array

DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def round_trip(value):
    content_type, data = encode_result([value])
    (got,) = decode_input(content_type, data)
    return got


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_row_of_numbers_keeps_its_type_and_its_bits(dtype, order):
    info = np.finfo(dtype) if dtype[0] == "f" else np.iinfo(dtype)
    value = np.array([info.min, 0, 1, info.max], dtype=order + dtype)
    got = round_trip(value)
    assert got.dtype == np.dtype("<" + dtype)
    np.testing.assert_array_equal(got, value)
    got[0] = 1  # it may be written to


def test_nan_and_negative_zero_in_an_array():
    got = round_trip(np.array([np.nan, -0.0, np.inf]))
    assert np.isnan(got[0])
    assert np.signbit(got[1])


def test_every_other_element_is_what_is_sent():
    assert round_trip(np.arange(10, dtype="i4")[::2]).tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("value", "expected", "content_type"),
    [
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]], JSON),
        (np.array([[2**62]]), [[2**62]], MSGPACK),
        (np.array([True, False]), [True, False], JSON),
        (np.array(["a", "ü"]), ["a", "ü"], JSON),
        (np.array([b"a"]), [b"a"], MSGPACK),
        (np.array([1, "x", None], dtype=object), [1, "x", None], JSON),
        (np.ma.masked_array([1, 2], [False, True]), [1, None], JSON),
        (np.array(5), 5, JSON),
        (np.array([], dtype="f8").reshape(0, 3), [], JSON),
        (np.float32(0.1), 0.10000000149011612, JSON),
        (np.float16(0.1), 0.0999755859375, JSON),
        (np.float64(0.1), 0.1, JSON),
        (np.int64(2**60), 2**60, MSGPACK),
        (np.uint64(2**64 - 1), 2**64 - 1, MSGPACK),
        (np.int8(-1), -1, JSON),
        (np.bool_(True), True, JSON),
        (np.str_("s"), "s", JSON),
        (np.bytes_(b"s"), b"s", MSGPACK),
        ({np.int64(1): np.int64(2)}, {1: 2}, MSGPACK),
    ],
)
def test_what_has_no_typed_array_becomes_plain_values(value, expected, content_type):
    assert encode_result([value])[0] == content_type
    got = round_trip(value)
    assert type(got) is type(expected)
    assert got == expected


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2026-01-01T00:00:00.123456789"),
        np.timedelta64(1, "s"),
        np.complex128(1j),
        np.longdouble(1),
        np.array(["2026-01-01"], dtype="datetime64[ns]"),
        np.array(1j),
        np.array([1], dtype=np.longdouble),
        np.array([[1j]]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        array.array("u", "ab"),
        memoryview(np.ones((2, 2))),
    ],
)
def test_what_javascript_has_no_word_for_is_refused_with_a_remedy(value):
    with pytest.raises(ResultNotSerializable, match=r"^result\.x\[0\] is (of type numpy|an? (numpy )?array of).*\. \w"):
        encode_result({"x": [value]})


def test_without_numpy_an_array_of_the_standard_library(monkeypatch):
    monkeypatch.setattr("rayferry.payload.arrays._numpy", lambda: None)
    assert read_typed_array(memoryview(b"h\x01\x00\xff\xff")) == array.array("h", [1, -1])
    assert read_typed_array(memoryview(b"C\x01\xff")) == array.array("B", [1, 255])
    with pytest.raises(ValueError, match="needs numpy"):
        read_typed_array(memoryview(b"e\x00\x00"))
