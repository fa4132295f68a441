"""Bytes to arguments; whatever comes is decoded or refused."""

import contextlib
import struct
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from rayferry.errors import InvalidInput
from rayferry.payload import JSON, MSGPACK, decode_input

texts = st.text(st.characters(exclude_categories=["Cs"]))
packable = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.integers(-5, 2**40), inner),
)
extensions = st.builds(Ext, st.integers(-128, 127), st.binary(max_size=30))


@given(st.lists(packable) | st.dictionaries(texts, packable))
def test_input_is_what_was_encoded(value):
    assert decode_input(MSGPACK, msgspec.msgpack.encode(value)) == value


@given(st.binary(), st.sampled_from([JSON, MSGPACK, "text/plain"]))
def test_garbage_is_refused_or_decoded_but_never_raises_otherwise(data, content_type):
    with contextlib.suppress(InvalidInput):
        assert isinstance(decode_input(content_type, data), dict | list)


@given(st.lists(extensions))
def test_any_extension_is_read_or_refused(value):
    with contextlib.suppress(InvalidInput):
        assert len(decode_input(MSGPACK, msgspec.msgpack.encode(value))) == len(value)


@pytest.mark.parametrize("data", [b"3", b"null", b'"text"', b"", b"{", b"[1,", b'["\\ud800"]', b"[1e400]"])
def test_json_that_is_no_object_or_array_is_refused(data):
    with pytest.raises(InvalidInput):
        decode_input(JSON, data)


def test_integers_of_a_row_written_by_hand_stay_exact():
    assert decode_input(JSON, b"[123456789012345678901234567890]") == [123456789012345678901234567890]


def test_keys_that_are_no_names_are_refused():
    with pytest.raises(InvalidInput, match="expected an object"):
        decode_input(MSGPACK, msgspec.msgpack.encode({1: 2}))


@pytest.mark.parametrize("levels", [1_000, 1_000_000])
@pytest.mark.parametrize(("content_type", "data"), [(MSGPACK, b"\x91"), (JSON, b"[")])
def test_far_too_deep_is_a_refusal_and_no_crash(content_type, data, levels):
    with pytest.raises(InvalidInput, match="can't be decoded"):
        decode_input(content_type, data * levels)


@pytest.mark.parametrize(
    ("extension", "says"),
    [
        (Ext(1, b""), "an integer has 0 bytes; expected 1 to 4096"),
        (Ext(1, b"\x01" * 4097), "an integer has 4097 bytes"),
        (Ext(2, b"x"), "an array has elements of an unknown type 'x'"),
        (Ext(2, b"d1234567"), "an array of f8 has 7 bytes; each element has 8"),
        (Ext(3, b"short"), "a date with a zone has 5 bytes; expected 12 or more"),
        (Ext(3, struct.pack(">qi", 2**62, 0)), "a date lies outside the years 1 to 9999"),
        (Ext(3, struct.pack(">qi", 0, 3600) + b"Mars/Olympus"), "the time zone 'Mars/Olympus' isn't known"),
        (Ext(3, struct.pack(">qi", 0, 3600) + b"../../etc/passwd"), "the time zone '../../etc/passwd' isn't known"),
        (Ext(3, struct.pack(">qi", 0, 7200) + b"Europe/Berlin"), "isn't at UTC+02:00 in Europe/Berlin"),
        (Ext(5, b""), "extension 5 is none that this version of rayferry knows"),
    ],
)
def test_an_extension_that_cannot_be_read_is_named_with_its_path(extension, says):
    with pytest.raises(InvalidInput) as caught:
        decode_input(MSGPACK, msgspec.msgpack.encode({"rows": [0, {"when": extension}]}))
    assert caught.value.message.startswith("input.rows[1].when can't be read: ")
    assert says in caught.value.message


def test_an_extension_that_cannot_be_read_far_below_is_refused_too():
    with pytest.raises(InvalidInput, match="can't be decoded: an integer has 0 bytes"):
        decode_input(MSGPACK, b"\x91" * 900 + msgspec.msgpack.encode(Ext(1, b"")))


def test_an_extension_as_a_key_is_named_too():
    data = b"\x81" + msgspec.msgpack.encode(Ext(1, b"")) + b"\x01"
    with pytest.raises(InvalidInput, match="can't be decoded: an integer has 0 bytes"):
        decode_input(MSGPACK, data)


def test_both_hours_that_come_twice_are_told_apart():
    first, second = (
        Ext(3, struct.pack(">qi", 1_792_888_200_000_000 + hours * 3_600_000_000, offset) + b"Europe/Berlin")
        for hours, offset in ((0, 7200), (1, 3600))
    )
    one, two = decode_input(MSGPACK, msgspec.msgpack.encode([first, second]))
    assert one.replace(tzinfo=None) == two.replace(tzinfo=None)
    assert (one.utcoffset(), two.utcoffset()) == (timedelta(hours=2), timedelta(hours=1))
