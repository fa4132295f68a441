"""The golden payloads, which the TypeScript half reads and writes too."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from equality import same

from rayferry.errors import InvalidInput
from rayferry.payload import JSON, MSGPACK, decode_input, encode_result

FOLDER = Path(__file__).parents[3] / "bridge" / "payload-fixtures"
DTYPES = {
    "Int8Array": "i1",
    "Uint8Array": "u1",
    "Uint8ClampedArray": "u1",
    "Int16Array": "i2",
    "Uint16Array": "u2",
    "Int32Array": "i4",
    "Uint32Array": "u4",
    "BigInt64Array": "i8",
    "BigUint64Array": "u8",
    "Float16Array": "f2",
    "Float32Array": "f4",
    "Float64Array": "f8",
}


def cases(name):
    found = json.loads((FOLDER / f"{name}.json").read_text())["cases"]
    return [pytest.param(case, id=case["note"]) for case in found]


def revive(value):
    if isinstance(value, list):
        return [revive(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$int": text}:
            return int(text)
        case {"$float": text}:
            return float(text)
        case {"$bytes": text}:
            return bytes.fromhex(text)
        case {"$date": text}:
            return moment(text)
        case {"$array": [name, items]}:
            return np.array([revive(each) for each in items], DTYPES[name])
        case {"$map": entries}:
            return {revive(key): revive(item) for key, item in entries}
    return {key: revive(item) for key, item in value.items()}


def moment(text):
    local, _, zone = text.rstrip("]").partition("[")
    value = datetime.fromisoformat(local)
    return value.astimezone(ZoneInfo(zone)) if zone else value


def alike(expected, got):
    if isinstance(expected, list):
        return len(expected) == len(got) and all(map(alike, expected, got))
    if isinstance(expected, np.ndarray):
        return expected.dtype == got.dtype and expected.tobytes() == got.tobytes()
    return same(expected, got)


@pytest.mark.parametrize("case", cases("messagepack"))
def test_messagepack_is_read_and_written_as_the_fixture_says(case):
    value, data = revive(case["value"]), bytes.fromhex(case["hex"])
    assert alike(value, decode_input(MSGPACK, data))
    if case.get("writer") != "typescript":
        # JSON says some of them exactly: a value that it can't say makes the whole list MessagePack.
        _, written = encode_result([value, b""])
        assert written == b"\x92" + data + msgspec.msgpack.encode(b"")


@pytest.mark.parametrize("case", cases("json"))
def test_json_is_read_and_written_as_the_fixture_says(case):
    value, data = revive(case["value"]), case["json"].encode()
    assert alike(value, decode_input(JSON, data))
    if "writer" not in case:
        assert encode_result(value) == (JSON, data)


@pytest.mark.parametrize("case", cases("malformed"))
def test_what_is_malformed_is_refused(case):
    with pytest.raises(InvalidInput, match=r"can't be (decoded|read)"):
        decode_input(MSGPACK, bytes.fromhex(case["hex"]))
