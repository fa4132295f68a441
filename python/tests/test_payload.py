import contextlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayferry.errors import InvalidInput, ResultNotSerializable, ResultTooLarge
from rayferry.payload import JSON, MSGPACK, decode_input, encode_result

texts = st.text(st.characters(exclude_categories=["Cs"]))
exact = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts.filter(lambda text: "\0" not in text),
    lambda inner: st.lists(inner) | st.dictionaries(texts.filter(lambda text: "\0" not in text), inner),
)
packable = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.integers(-5, 2**40), inner),
)


def decode(content_type, data):
    return json.loads(data) if content_type == JSON else msgspec.msgpack.decode(data, strict=False)


@given(exact)
def test_what_json_says_exactly_goes_as_json_and_comes_back(value):
    content_type, data = encode_result(value)
    assert content_type == JSON
    assert decode(content_type, data) == value


@given(packable)
def test_whatever_content_type_is_chosen_the_value_comes_back(value):
    assert decode(*encode_result(value)) == value


@given(st.lists(packable) | st.dictionaries(texts, packable))
def test_input_is_what_was_encoded(value):
    assert decode_input(MSGPACK, msgspec.msgpack.encode(value)) == value


@given(st.binary(), st.sampled_from([JSON, MSGPACK, "text/plain"]))
def test_garbage_input_is_refused_or_decoded_but_never_raises_otherwise(data, content_type):
    with contextlib.suppress(InvalidInput):
        assert isinstance(decode_input(content_type, data), dict | list)


@pytest.mark.parametrize(
    ("value", "content_type"),
    [
        (2**53 - 1, JSON),
        (2**53, MSGPACK),
        (float("nan"), MSGPACK),
        (float("inf"), MSGPACK),
        ("a\0b", MSGPACK),
        ({"a\0": 1}, MSGPACK),
        ({1: 2}, MSGPACK),
        (b"x", MSGPACK),
        ((1, 2), MSGPACK),
        ([1, [2.5, None, {"a": "ü"}]], JSON),
    ],
)
def test_content_type_is_json_only_where_json_is_exact(value, content_type):
    assert encode_result(value)[0] == content_type


@dataclass
class Point:
    x: int
    y: object


def test_rich_values_are_encoded_as_msgspec_does():
    moment, ident = datetime(2024, 2, 29, tzinfo=timezone.utc), uuid.UUID(int=1)
    value = {"t": (1, 2), "s": {3}, "p": Point(1, 2), "d": moment, "u": ident, "n": Decimal("1.5")}
    got = decode(*encode_result(value))
    assert got == {"t": [1, 2], "s": [3], "p": {"x": 1, "y": 2}, "d": moment, "u": str(ident), "n": "1.5"}


def test_numpy_values_become_plain_ones():
    value = {"f": np.float32(0.5), "i": np.int64(2**60), "b": np.bool_(True), "a": np.arange(6).reshape(2, 3)}
    assert decode(*encode_result(value)) == {"f": 0.5, "i": 2**60, "b": True, "a": [[0, 1, 2], [3, 4, 5]]}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"rows": [0, 1, 2, {"when": object()}]}, "result.rows[3].when is of type object"),
        (object(), "result is of type object"),
        ({"odd key": [1j]}, "result['odd key'][0] is of type complex"),
        ({"p": Point(1, object())}, "result.p.y is of type object"),
        ([2**64], "result[0] is an integer beyond 64 bits"),
        ({"a": -(2**63) - 1}, "result.a is an integer beyond 64 bits"),
        (["ok", "\ud800"], "result[1] is a string with a lone surrogate"),
        (({1: lambda: 0},), "result[0][1] is of type function"),
        (np.array([object()]), "result is of type numpy.ndarray"),
    ],
)
def test_what_cannot_be_encoded_is_named_with_its_path(value, says):
    with pytest.raises(ResultNotSerializable) as caught:
        encode_result(value)
    assert says in caught.value.message


def test_value_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ResultNotSerializable):
        encode_result(loop)


def test_result_over_the_limit_is_refused_with_both_sizes():
    assert encode_result("x" * 98, 100)
    with pytest.raises(ResultTooLarge, match=r"101 bytes .* limit is 100"):
        encode_result("x" * 99, 100)


@pytest.mark.parametrize("data", [b"3", b"null", b'"text"', b"", b"{", b"[1,"])
def test_input_that_is_no_object_or_array_is_refused(data):
    with pytest.raises(InvalidInput):
        decode_input(JSON, data)


def test_input_with_keys_that_are_no_names_is_refused():
    with pytest.raises(InvalidInput):
        decode_input(MSGPACK, msgspec.msgpack.encode({1: 2}))
