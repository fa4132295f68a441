"""Open fields of a frame: what passes, and what is refused before it is decoded."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayferry.bridge.limits import MAX_DEPTH, MAX_VALUES, check_nesting
from rayferry.errors import FrameRefused

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20),
    max_leaves=40,
)


def refusal(data, outside=0):
    with pytest.raises(FrameRefused) as caught:
        check_nesting(data, outside)
    assert caught.value.code == "BAD_FRAME"
    return caught.value.message


def nested(levels):
    return b"\x91" * levels + b"\xc0"


@given(PLAIN)
def test_whatever_msgspec_writes_passes_whole_and_is_refused_cut_or_lengthened(value):
    data = msgspec.msgpack.encode(value)
    check_nesting(data)
    refusal(data + b"\xc0")
    for cut in {0, 1, len(data) // 2, len(data) - 1} - {len(data)}:
        refusal(data[:cut])


@given(st.binary(max_size=200))
def test_any_bytes_either_pass_or_are_refused(data):
    try:
        check_nesting(data)
    except FrameRefused:
        return
    # What passes is one whole value: at most its text isn't UTF-8, or a key isn't one that Python takes.
    msgspec.msgpack.Decoder(msgspec.Raw).decode(data)


def test_the_deepest_that_is_allowed_and_one_more():
    check_nesting(nested(MAX_DEPTH))
    assert "at most 32 levels" in refusal(nested(MAX_DEPTH + 1))
    check_nesting(nested(MAX_DEPTH - 3), outside=3)
    refusal(nested(MAX_DEPTH - 2), outside=3)
    refusal(nested(100_000))
    refusal(b"\x81\xa1a" * (MAX_DEPTH + 1) + b"\xc0")


def test_the_widest_that_is_allowed_and_one_more():
    check_nesting(msgspec.msgpack.encode([None] * (MAX_VALUES - 1)))
    assert "at most 10,000 values" in refusal(msgspec.msgpack.encode([None] * MAX_VALUES))
    check_nesting(msgspec.msgpack.encode({str(key): None for key in range(MAX_VALUES // 2 - 1)}))
    refusal(msgspec.msgpack.encode([[None] * (MAX_VALUES // 2)] * 2))


@pytest.mark.parametrize("head", [b"\xdd", b"\xdf", b"\xc6", b"\xdb"])
def test_five_bytes_that_claim_2_to_the_32(head):
    assert "ends before what it announces" in refusal(head + b"\xff" * 4)


@pytest.mark.parametrize("data", [b"\xc1", b"\xd4\x01\x02", b"\xc7\x01\x05\x00", b"\xc9\x00\x00\x00\x01\x05\x00"])
def test_extension_types_are_none_of_a_frames_values(data):
    assert "begins no value" in refusal(data)
