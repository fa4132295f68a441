"""Dates and times: what has an instant keeps it with its zone, everything else is its ISO 8601 text."""

from __future__ import annotations

import re
import struct
import zoneinfo
from datetime import date, datetime, time, timedelta, timezone, tzinfo

import msgspec
from msgspec.msgpack import Ext

from rayferry.payload.forms import NoForm

# The extension: int64 microseconds since 1970, int32 offset in seconds, both big-endian, then the zone's name in UTF-8
# or nothing.
ZONED_DATE = 3

_ZONED_HEAD = struct.Struct(">qi")
# As in the TypeScript half.
_ZONE = re.compile(r"[A-Za-z0-9_+./-]{1,255}")
_EPOCH = datetime(1970, 1, 1)
_AWARE_EPOCH = _EPOCH.replace(tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


def time_form(value: datetime | date | time | timedelta) -> str | datetime | Ext:
    """A text; of an aware datetime itself in UTC, which becomes MessagePack's timestamp, or an extension.

    Raises NoForm.
    """
    if isinstance(value, timedelta):
        return str(msgspec.to_builtins(value))
    if value != value:
        raise NoForm("no time (NaT)", "Return None.")
    if getattr(value, "nanosecond", 0):
        raise NoForm("a time with nanoseconds", "Return str(value), or round it to microseconds.")
    if isinstance(value, datetime):
        return datetime.isoformat(value) if value.tzinfo is None else _aware_form(value)
    if isinstance(value, time) and value.tzinfo is not None and value.utcoffset() is None:
        raise NoForm("a time whose zone has no offset without a date", "Return a datetime.")
    return value.isoformat()


def _aware_form(value: datetime) -> datetime | Ext:
    offset = value.utcoffset()
    if offset is None or value.tzinfo is None:
        raise NoForm("a datetime whose zone doesn't say its offset", "Return it with another tzinfo.")
    zone = _zone_name(value.tzinfo)
    microseconds = (value - _AWARE_EPOCH) // _MICROSECOND
    if not offset and zone in (None, "UTC"):
        return _AWARE_EPOCH + timedelta(microseconds=microseconds)
    if offset % _SECOND:
        raise NoForm("a datetime whose offset is no whole number of seconds", "Return it in UTC.")
    if zone is not None and not _ZONE.fullmatch(zone):
        raise NoForm(f"a datetime in a zone named {zone!r}", "Return it in UTC, or in a zone with a name of IANA's.")
    head = _ZONED_HEAD.pack(microseconds, offset // _SECOND)
    return Ext(ZONED_DATE, head + (zone or "").encode())


def _zone_name(zone: tzinfo) -> str | None:
    # zoneinfo says `key`, pytz `zone`. What has neither is an offset: timezone, dateutil's.
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    return name if isinstance(name, str) else None


def read_zoned_date(data: memoryview) -> datetime:
    """Raises ValueError."""
    if len(data) < _ZONED_HEAD.size:
        raise ValueError(f"a date with a zone has {len(data)} bytes; expected {_ZONED_HEAD.size} or more")
    microseconds, seconds = _ZONED_HEAD.unpack_from(data)
    name = bytes(data[_ZONED_HEAD.size :]).decode()
    offset = timedelta(seconds=seconds)
    try:
        local = _EPOCH + (timedelta(microseconds=microseconds) + offset)
        fixed = timezone(offset)
    except OverflowError as error:
        raise ValueError(f"a date lies outside the years 1 to 9999: {error}") from error
    if not name:
        return local.replace(tzinfo=fixed)
    zone = _find_zone(name)
    for fold in (0, 1):
        # Where clocks go back a local time comes twice: the offset says which.
        moment = local.replace(tzinfo=zone, fold=fold)
        if moment.utcoffset() == offset:
            return moment
    raise ValueError(f"{local.isoformat()} isn't at {fixed} in {name} by this machine's time zone data")


def _find_zone(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"the time zone {name!r} isn't known on this machine: pip install tzdata, or check its name"
        ) from error
