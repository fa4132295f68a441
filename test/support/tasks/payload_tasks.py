"""Tasks for tests of what travels: odd values to return, annotations to fit."""

import enum
import uuid
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pydantic

from rayferry import task


@dataclass
class Row:
    when: datetime
    price: Decimal = Decimal(0)
    tags: frozenset[str] = frozenset()


class Struct(msgspec.Struct, rename="camel"):
    first_name: str


class Model(pydantic.BaseModel):
    user_id: int = pydantic.Field(alias="userId")
    when: date


class Colour(enum.Enum):
    RED = "red"


Pair = namedtuple("Pair", "a b")
BERLIN = ZoneInfo("Europe/Berlin")

# By name; test/worker/payload.test.ts says as what each arrives.
CORPUS = {
    "int beyond 64 bits": -(10**30),
    "int beyond 2^53": 2**53,
    "float that is whole": 1.0,
    "float beyond 2^53": 1e23,
    "NaN": float("nan"),
    "negative zero": -0.0,
    "bytes": b"\0\xff",
    "NUL": "a\0b",
    "tuple": (1, (2,)),
    "set": {1},
    "named tuple": Pair(1, 2),
    "dict with int keys": {1: {"a": 2}, "1": None},
    "dict with a hostile key": {"__proto__": {"admin": True}, "constructor": 1},
    "dataclass": Row(datetime(2026, 7, 1, 12, 0, 0, 1000, tzinfo=timezone.utc), Decimal("1.50"), frozenset({"a"})),
    "struct": Struct("Ada"),
    "pydantic model": Model(userId=1, when=date(2026, 1, 2)),
    "enum": Colour.RED,
    "Decimal": Decimal("-1.50"),
    "UUID": uuid.UUID(int=1),
    "UTC to the millisecond": datetime(2026, 7, 1, 12, 0, 0, 1000, tzinfo=timezone.utc),
    "UTC to the microsecond": datetime(2026, 7, 1, 12, 0, 0, 1, tzinfo=timezone.utc),
    "with a zone": datetime(2026, 7, 1, 12, tzinfo=BERLIN),
    "the second hour of two": datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    "with an offset": datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=-3))),
    "naive": datetime(2026, 7, 1, 12, 0, 0, 1),
    "date": date(2026, 7, 1),
    "time": time(12, 30),
    "timedelta": timedelta(days=1, seconds=1.5),
    "numpy float32": np.float32(0.1),
    "numpy int64": np.int64(2**60),
    "numpy bool": np.bool_(True),
    "numpy float64 array": np.array([0.5, -0.0]),
    "numpy int64 array": np.arange(2),
    "numpy uint8 array": np.array([255], dtype="u1"),
    "numpy bool array": np.array([True]),
    "numpy matrix": np.arange(4).reshape(2, 2),
}


@task(name="payload.one")
def one(name: str) -> object:
    return CORPUS[name]


@task(name="payload.all")
def everything() -> list[tuple[str, object]]:
    return list(CORPUS.items())


@task(name="payload.types")
def types(values: list) -> list[str]:
    """What each value is here."""
    return [f"{type(value).__name__} {value!r}" for value in values]


@task(name="payload.total")
def total(rows: list[Row], note: str = "", *, model: Model | None = None) -> list:
    """Only what is of the type that it says may be used like this."""
    day = None if model is None else model.when.isoformat()
    return [sum(row.price for row in rows), [row.when.tzinfo is not None for row in rows], day, note]


@task(name="payload.refused")
def refused() -> dict:
    return {"rows": [0, 1, 2, {"when": object()}]}
