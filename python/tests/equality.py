"""What `==` passes over."""

from datetime import datetime


def same(one, other):
    """Equal, and the same to the eye: -0.0, a zone and an hour that comes twice make a difference."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    if isinstance(one, datetime):
        key = getattr(one.tzinfo, "key", None)
        same_zone = one.utcoffset() == other.utcoffset() and key == getattr(other.tzinfo, "key", None)
        return same_zone and one.replace(tzinfo=None) == other.replace(tzinfo=None)
    return type(one) is type(other) and repr(one) == repr(other)
