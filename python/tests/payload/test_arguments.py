"""Arguments by the task's annotations."""

from __future__ import annotations

import enum
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, Union

import attrs
import msgspec
import numpy as np
import pydantic
import pydantic.v1
import pytest

from rayferry.errors import InvalidInput
from rayferry.payload import bind

if TYPE_CHECKING:
    pass

NOON = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)


@dataclass
class Row:
    when: datetime
    n: int = 0
    tags: set[str] = field(default_factory=set)
    ratio: float = 1.0


class Order(msgspec.Struct, rename="camel"):
    order_id: int
    rows: list[Row] = []


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    a: int


@attrs.define
class Attrs:
    a: Decimal


class Model(pydantic.BaseModel):
    when: datetime
    user_id: int = pydantic.Field(0, alias="userId")


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


@pydantic.dataclasses.dataclass
class Checked:
    n: Annotated[int, pydantic.Field(gt=0)]


class OldModel(pydantic.v1.BaseModel):
    when: datetime


@dataclass
class Holder:
    model: Model
    old: Optional[OldModel] = None  # noqa: UP045


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Pair(NamedTuple):
    a: int
    when: datetime


class Options(TypedDict, total=False):
    when: datetime
    n: int


class Loose(TypedDict):
    n: int


class Custom:
    pass


class PairOfPairs(enum.Enum):
    A = (1, 2)


@dataclass
class Chain:
    next: Chain | None


UserId = NewType("UserId", uuid.UUID)
ID = uuid.UUID(int=5)


def taking(annotation: Any, default: Any = ...) -> Any:
    def function(x):
        return x

    function.__annotations__["x"] = annotation
    if default is not ...:
        function.__defaults__ = (default,)
    return function


def converted(annotation: Any, value: Any, default: Any = ...) -> Any:
    return bind(taking(annotation, default), "t", {"x": value}).arguments["x"]


@pytest.mark.parametrize(
    ("annotation", "came", "expected"),
    [
        (datetime, "2026-07-01T12:00:00Z", NOON),
        (datetime, NOON, NOON),
        (Annotated[datetime, "a note"], "2026-07-01T12:00:00Z", NOON),
        (date, "2026-07-01", date(2026, 7, 1)),
        (time, "01:02:03", time(1, 2, 3)),
        (timedelta, "PT1.5S", timedelta(seconds=1.5)),
        (Decimal, "1.50", Decimal("1.50")),
        (Decimal, 0.1, Decimal("0.1")),
        (Decimal, 3**50, Decimal(3**50)),
        (uuid.UUID, str(ID), ID),
        (UserId, str(ID), ID),
        (bytes, b"x", b"x"),
        (set[int], [1, 2], {1, 2}),
        (frozenset, [1], frozenset({1})),
        (tuple, [1, "a"], (1, "a")),
        (tuple[int, datetime], [1, NOON], (1, NOON)),
        (deque, [1], [1]),
        (Pair, [1, NOON], Pair(1, NOON)),
        (Colour, "red", Colour.RED),
        (Level, 1, Level.LOW),
        (Row, {"when": NOON, "tags": ["a"], "ratio": 2}, Row(NOON, 0, {"a"}, 2.0)),
        (list[Row], [{"when": NOON}], [Row(NOON)]),
        (dict[str, Row], {"a": {"when": NOON}}, {"a": Row(NOON)}),
        (dict[int, Row], {"1": {"when": NOON}, 2: {"when": NOON}}, {1: Row(NOON), 2: Row(NOON)}),
        (dict[uuid.UUID, int], {str(ID): 1}, {ID: 1}),
        (Optional[Row], None, None),  # noqa: UP045
        (Row | None, {"when": NOON}, Row(NOON)),
        (Order, {"orderId": 1, "rows": [{"when": NOON}], "more": 1}, Order(1, [Row(NOON)])),
        (Attrs, {"a": "1.0"}, Attrs(Decimal("1.0"))),
        (Options, {"when": "2026-07-01T12:00:00Z"}, {"when": NOON}),
        (Model, {"when": "2026-07-01T12:00:00Z", "userId": 3}, Model(when=NOON, userId=3)),
        (list[Model], [{"when": NOON}], [Model(when=NOON)]),
        (Union[Cat, Dog], {"kind": "dog"}, Dog(kind="dog")),  # noqa: UP007
        (Checked, {"n": 1}, Checked(1)),
        (OldModel, {"when": NOON}, OldModel(when=NOON)),
        (Holder, {"model": {"when": NOON}, "old": {"when": NOON}}, Holder(Model(when=NOON), OldModel(when=NOON))),
    ],
)
def test_what_arrives_becomes_what_the_annotation_says(annotation, came, expected):
    got = converted(annotation, came)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "came"),
    [
        (int, "no int"),
        (float, 1),
        (str, 1),
        (list, {"a": 1}),
        (list[int], ["x"]),
        (dict[str, int], {"a": "x"}),
        (Any, {"a": 1}),
        (object, 1),
        (Custom, {"a": 1}),
        (list[Custom], [{"a": 1}]),
        (np.ndarray, [1]),
        (Loose, {"n": "x", "m": 1}),
        (Literal["a"], "b"),
        ("Unknown", {"a": 1}),
        ("list[Unknown]", [1]),
        ("no type at all", 1),
        (PairOfPairs, [1, 2]),
        # msgspec can't tell them apart.
        (Row | Holder, {"when": 1}),
    ],
)
def test_every_other_parameter_gets_what_arrived(annotation, came):
    assert converted(annotation, came) is came


def test_none_is_taken_where_it_is_the_default():
    assert converted(datetime, None, default=None) is None
    assert converted(datetime, "2026-07-01T12:00:00Z", default=None) == NOON


@pytest.mark.parametrize(
    ("annotation", "came", "says"),
    [
        (datetime, 5, "input.x: expected datetime, got int."),
        (datetime, "soon", "input.x: invalid RFC3339 encoded datetime."),
        (datetime, None, "input.x: expected datetime, got null."),
        (date, NOON, "input.x: expected date, got datetime."),
        (bytes, "YWJj", "input.x: expected bytes, got str."),
        (Colour, "blue", "input.x: invalid enum value 'blue'."),
        (tuple[int, int], [1], "input.x: expected array of length 2, got 1."),
        (list[Row], [{"when": NOON}] * 3 + [{"when": 1}], "input.x[3].when: expected datetime, got int."),
        (Row, {}, "input.x: object missing required field when."),
        (dict[str, Row], {"a": {"when": NOON}, "b c": {"when": 1}}, "input.x['b c'].when: expected datetime, got int."),
        (
            list[dict[str, dict[str, Row]]],
            [{}, {"a": {"b": {"when": NOON}, "c": {"when": NOON, "n": "x"}}, "d": {"e": {"when": 1}}}, {"f": 1}],
            "input.x[1].a.c.n: expected int, got str.",
        ),
        (dict[int, Row], {"x": {"when": NOON}}, "input.x: a key: expected int, got str."),
        (set, [[1]], "input.x doesn't fit: TypeError: unhashable type: 'list'."),
        (Strict | datetime, {"a": 1, "b": 2}, "input.x: object contains unknown field b."),
        # What would have been changed silently.
        (Row, {"when": NOON, "nn": 1}, "input.x.nn: Row has no such field (did you mean 'n'?)."),
        (list[Attrs], [{"a": "1", "zzz": 1}], "input.x[0].zzz: Attrs has no such field (it has a)."),
        (Options, {"when": NOON, "m": 1}, "input.x.m: 'm' is no key of its own here."),
        (dict[int, Row], {"1": {"when": NOON}, 1: {"when": NOON}}, "is no key of its own here."),
        (Row, {"when": NOON, "ratio": 2**53 + 1}, "input.x.ratio: expected float, got an integer that no float is."),
        (
            Order,
            {"orderId": 1, "rows": [{"when": "2026-07-01T12:00:00.123456789Z"}]},
            "expected at most microseconds, got 2026-07-01T12:00:00.123456789Z.",
        ),
        (Model, {"when": "soon"}, "input.x.when: input should be a valid datetime"),
        (dict[str, Model], {"a": {"when": NOON}, "b": {}}, "input.x.b.when: field required."),
        (Holder, {"model": {"when": "soon"}}, "input.x.model.when: input should be a valid datetime"),
        (list[OldModel], [{"when": NOON}, {"when": "soon"}], "input.x[1].when: invalid datetime format."),
        (Checked, {"n": 0}, "input.x.n: input should be greater than 0."),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(annotation, came, says):
    with pytest.raises(InvalidInput) as caught:
        converted(annotation, came)
    assert says in caught.value.message
    assert caught.value.message.startswith("input.x")


def several(when: datetime, /, n: int, *rows: Row, flag: Colour = Colour.RED, **more: uuid.UUID) -> None:
    pass


def test_positional_and_variable_arguments_are_converted():
    bound = bind(several, "t", ["2026-07-01T12:00:00Z", 1, {"when": NOON}, {"when": NOON}])
    assert bound.args == (NOON, 1, Row(NOON), Row(NOON))

    def named(n, **more: uuid.UUID):
        pass

    assert bind(named, "t", {"n": 1, "a": str(ID)}).kwargs == {"a": ID}


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ([5, 1], "input[0]: "),
        ([NOON, 1, {"when": NOON}, {"when": 1}], "input[3].when: "),
        ([NOON], "t: missing a required argument: 'n'"),
    ],
)
def test_a_positional_argument_is_named_by_its_position(arguments, path):
    with pytest.raises(InvalidInput) as caught:
        bind(several, "t", arguments)
    assert caught.value.message.startswith(path)


def test_a_named_argument_of_many_is_named_by_its_name():
    def function(**more: uuid.UUID):
        pass

    with pytest.raises(InvalidInput, match=r"^input\.b: invalid UUID"):
        bind(function, "t", {"a": str(ID), "b": "no"})


def test_what_a_row_written_by_hand_nests_is_no_reason_to_fail():
    came: dict | None = None
    for _ in range(800):
        came = {"next": came}
    assert converted(Chain, came).next.next.next is not None


def test_the_value_that_came_is_left_as_it_was():
    came = {"x": [{"when": "2026-07-01T12:00:00Z"}]}
    bind(taking(list[Row]), "t", came)
    assert came == {"x": [{"when": "2026-07-01T12:00:00Z"}]}


def test_a_result_of_a_schema_fits_the_same_schema_again():
    from rayferry.payload import decode_input, encode_result

    for value in (Row(NOON, 1, {"a"}), Order(1, [Row(NOON)]), Attrs(Decimal("1.0")), Model(when=NOON, userId=1)):
        (plain,) = decode_input(*encode_result([value]))
        assert converted(type(value), plain) == value
