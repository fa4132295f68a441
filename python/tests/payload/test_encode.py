"""Results to bytes: which content type, what each type becomes, what is refused and where."""

import array
import enum
import json
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import attrs
import msgspec
import numpy as np
import pydantic
import pydantic.v1
import pytest
from equality import same
from hypothesis import given
from hypothesis import strategies as st

from rayferry.errors import ResultNotSerializable, ResultTooLarge
from rayferry.payload import JSON, MSGPACK, encode_result
from rayferry.payload.extensions import read_extension

texts = st.text(st.characters(exclude_categories=["Cs"]))
clean = texts.filter(lambda text: "\0" not in text)
no_negative_zero = st.floats(-(2**53), 2**53, exclude_min=True, exclude_max=True).map(lambda value: value or 0.0)
exact = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | no_negative_zero | clean,
    lambda inner: st.lists(inner) | st.dictionaries(clean, inner),
)
offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]).map(ZoneInfo)
packable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**2000), 2**2000)
    | st.floats(allow_nan=False)
    | texts
    | st.binary()
    | st.datetimes(timezones=offsets | zones | st.just(timezone.utc)),
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.integers(-(2**63), 2**64 - 1), inner),
)


def decode(content_type, data):
    return json.loads(data) if content_type == JSON else msgspec.msgpack.decode(data, ext_hook=read_extension)


def round_trip(value):
    return decode(*encode_result(value))


@given(exact)
def test_what_json_says_exactly_goes_as_json_and_comes_back(value):
    content_type, data = encode_result(value)
    assert content_type == JSON
    assert decode(content_type, data) == value


@given(packable)
def test_whatever_content_type_is_chosen_the_value_comes_back(value):
    assert same(value, round_trip(value))


@pytest.mark.parametrize(
    ("value", "content_type"),
    [
        (2**53 - 1, JSON),
        (2**53, MSGPACK),
        (2.0**53 - 1, JSON),
        (2.0**53, MSGPACK),
        (0.0, JSON),
        (-0.0, MSGPACK),
        (float("nan"), MSGPACK),
        (float("inf"), MSGPACK),
        ("a\0b", MSGPACK),
        ({"a\0": 1}, MSGPACK),
        ({1: 2}, MSGPACK),
        (b"x", MSGPACK),
        (datetime(2026, 1, 1, tzinfo=timezone.utc), MSGPACK),
        ((1, 2), JSON),
        ({"s": {1}}, JSON),
        ([1, [2.5, None, {"a": "ü"}]], JSON),
        ({"__proto__": 1}, JSON),
    ],
)
def test_content_type_is_json_only_where_json_is_exact(value, content_type):
    assert encode_result(value)[0] == content_type


@dataclass
class Point:
    x: int
    y: object


@dataclass
class Base:
    _hidden: int = 1
    made: list = field(default_factory=list)


class Tagged(msgspec.Struct, tag="t", rename="camel"):
    first_name: str
    not_set: int | msgspec.UnsetType = msgspec.UNSET


class Omitting(msgspec.Struct, omit_defaults=True):
    a: int = 1
    b: list = msgspec.field(default_factory=list)
    c: int = 2


class ArrayLike(msgspec.Struct, array_like=True, tag=7):
    a: int
    b: bytes


@attrs.define
class Attrs:
    a: int
    b: tuple


class Model(pydantic.BaseModel):
    user_id: int = pydantic.Field(alias="userId")
    when: date
    inner: list["Model"] = []


class Root(pydantic.RootModel[list[int]]):
    pass


class OldModel(pydantic.v1.BaseModel):
    user_id: int = pydantic.v1.Field(alias="userId")


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Names(str, enum.Enum):
    A = "a"


class Loud(str):
    def __str__(self):
        return "something else"


Pair = namedtuple("Pair", "a b")


class Typed(NamedTuple):
    a: int
    b: str


MODEL = Model(userId=1, when=date(2026, 1, 2), inner=[{"userId": 2, "when": "2026-01-03"}])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, (2, Point(3, None))), {"x": 1, "y": [2, {"x": 3, "y": None}]}),
        (Base(), {"_hidden": 1, "made": []}),
        (Tagged("Ada"), {"type": "t", "firstName": "Ada"}),
        (Tagged("Ada", 3), {"type": "t", "firstName": "Ada", "notSet": 3}),
        (Omitting(), {}),
        (Omitting(5, [1]), {"a": 5, "b": [1]}),
        (ArrayLike(1, b"x"), [7, 1, b"x"]),
        (Attrs(1, (2,)), {"a": 1, "b": [2]}),
        (
            MODEL,
            {"userId": 1, "when": "2026-01-02", "inner": [{"userId": 2, "when": "2026-01-03", "inner": []}]},
        ),
        (Root([1, 2]), [1, 2]),
        (OldModel(userId=4), {"userId": 4}),
        (Colour.RED, "red"),
        (Colour.PAIR, [1, 2]),
        (Level.LOW, 1),
        (Names.A, "a"),
        ({Names.A: Level.LOW, Level.LOW: 2}, {"a": 1, 1: 2}),
        (Loud("itself"), "itself"),
        (Pair(1, 2), [1, 2]),
        (Typed(1, "b"), [1, "b"]),
        (deque([1]), [1]),
        (frozenset({1}), [1]),
        (OrderedDict(a=1), {"a": 1}),
        (Counter("aa"), {"a": 2}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({uuid.UUID(int=1): 1}, {"00000000-0000-0000-0000-000000000001": 1}),
        (Decimal("1.50"), "1.50"),
        (Decimal("-1E+400"), "-1E+400"),
        (Decimal("NaN"), "NaN"),
        (date(2026, 2, 28), "2026-02-28"),
        ({date(2026, 2, 28): 1}, {"2026-02-28": 1}),
        (time(1, 2, 3, 4), "01:02:03.000004"),
        (time(1, 2, tzinfo=timezone.utc), "01:02:00+00:00"),
        (datetime(2026, 2, 28, 1, 2, 3, 456789), "2026-02-28T01:02:03.456789"),
        (timedelta(days=1, microseconds=1), "P1DT0.000001S"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abc")[1:], b"bc"),
        ({None: 1, True: 2, 2.5: 3, 2**63: 4}, {None: 1, True: 2, 2.5: 3, 2**63: 4}),
    ],
)
def test_each_type_has_its_form(value, expected):
    assert same(expected, round_trip(value))


def test_a_utc_datetime_by_any_name_is_the_same_timestamp():
    for zone in (timezone.utc, ZoneInfo("UTC"), timezone(timedelta(0))):
        value = datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=zone)
        assert encode_result(value)[1] == msgspec.msgpack.encode(value.astimezone(timezone.utc))


@pytest.mark.parametrize(
    "value",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=2))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-2))),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        # An hour that doesn't exist there.
        datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        # Local mean time: an offset with seconds.
        datetime(1800, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
    ],
)
def test_a_datetime_keeps_its_zone_at_the_edges_too(value):
    assert same(value, round_trip(value))


def test_the_same_object_twice_is_no_cycle():
    shared = [1, (2,)]
    assert round_trip({"a": shared, "b": shared, "c": b""}) == {"a": [1, [2]], "b": [1, [2]], "c": b""}


class OddZone(tzinfo):
    zone = "Middle Earth"

    def utcoffset(self, moment):
        return timedelta(hours=1)


class Nanoseconds(datetime):
    nanosecond = 1


class Broken:
    __dataclass_fields__ = Point.__dataclass_fields__

    @property
    def x(self):
        raise KeyError("no x today")


cyclic: list = [0]
cyclic.append({"again": cyclic})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"rows": [0, 1, 2, {"when": object()}]}, "result.rows[3].when is of type object"),
        (object(), "result is of type object"),
        ({"odd key": [1j]}, "result['odd key'][0] is of type complex"),
        ({"p": Point(1, object())}, "result.p.y is of type object"),
        ([Attrs(1, (object(),))], "result[0].b[0] is of type object"),
        ([2 ** (8 * 4096 - 1)], "result[0] is an integer of more than 4,096 bytes"),
        ({"a": -(2 ** (8 * 4096 - 1)) - 1}, "result.a is an integer of more than 4,096 bytes"),
        (["ok", "\ud800"], "result[1] is a string with a lone surrogate"),
        ({"\udc00": 1}, "result['\\udc00'] is a string with a lone surrogate"),
        (({1: lambda: 0},), "result[0][1] is of type function"),
        ({2**63: object()}, "result[9223372036854775808] is of type object"),
        ({-(2**63) - 1: 1}, "result is a dict with an integer beyond 64 bits as key"),
        ({2 ** (8 * 5000): 1}, "result is an integer of more than 4,096 bytes"),
        ([np.array([1, object()])], "result[0][1] is of type object"),
        (Point, "result is of type type"),
        ([range(3)], "result[0] is of type range"),
        ({"e": ValueError("x")}, "result.e is of type ValueError"),
        ({"m": {(1, 2): 3}}, "result.m is a dict with a key of type tuple"),
        ({b"k": 1}, "result is a dict with a key of type bytes"),
        ({datetime(2026, 1, 1, tzinfo=timezone.utc): 1}, "result is a dict with a key of type datetime.datetime"),
        ({float("nan"): 1}, "result is a dict with nan as key"),
        ({-0.0: 1}, "result is a dict with -0.0 as key"),
        (
            {"00000000-0000-0000-0000-000000000001": 1, uuid.UUID(int=1): 2},
            "result[UUID('00000000-0000-0000-0000-000000000001')] is a second member with the key '00000000",
        ),
        ({"t": Nanoseconds(2026, 1, 1)}, "result.t is a time with nanoseconds"),
        ([time(1, tzinfo=ZoneInfo("Europe/Berlin"))], "result[0] is a time whose zone has no offset"),
        (
            [datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=5)))],
            "result[0] is a datetime whose offset is no whole number of seconds",
        ),
        ([datetime(2026, 1, 1, tzinfo=OddZone())], "result[0] is a datetime in a zone named 'Middle Earth'"),
        (cyclic, "result[1].again is a reference to one of its own parents"),
        ([Broken()], "result[0] can't be encoded: KeyError: 'no x today'"),
        ([msgspec.UNSET], "result[0] is of type msgspec.UnsetType"),
    ],
)
def test_what_cannot_be_encoded_is_named_with_its_path(value, says):
    with pytest.raises(ResultNotSerializable) as caught:
        encode_result(value)
    assert caught.value.message.startswith(says)


def nested(levels, wrap):
    value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_200_levels_pass_and_more_are_refused(wrap):
    assert round_trip(nested(200, wrap)) == nested(200, wrap)
    with pytest.raises(ResultNotSerializable, match=r"^result.{100,}\.\.\. is nested more than 200 deep"):
        encode_result(nested(201, wrap))


@pytest.mark.parametrize("wrap", [lambda value: (value,), lambda value: Point(1, value), lambda value: {1: value}])
def test_far_too_deep_is_a_refusal_and_no_crash(wrap):
    with pytest.raises(ResultNotSerializable, match="is nested"):
        encode_result(nested(5_000, wrap))


def test_result_over_the_limit_is_refused_with_both_sizes():
    assert encode_result("x" * 98, 100)
    with pytest.raises(ResultTooLarge, match=r"101 bytes .* limit is 100"):
        encode_result("x" * 99, 100)


def test_an_array_of_the_standard_library_is_a_typed_array():
    assert same([1.5, -0.0], round_trip(array.array("d", [1.5, -0.0])).tolist())
