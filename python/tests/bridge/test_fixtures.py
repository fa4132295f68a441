"""The golden messages of the protocol. Hand-owned: the TypeScript tests read the same files."""

import base64
import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from rayferry.bridge.envelope import Envelope, Opened, encode_message, open_frame, seal_frame
from rayferry.bridge.from_server import FromServer
from rayferry.bridge.from_worker import FromWorker

FIXTURES = Path(__file__).parents[3] / "bridge" / "fixtures"
FROM = {"worker": FromWorker, "server": FromServer}
FRAME = {"worker": Envelope, "server": tuple[int, str | None, int, int, list[FromServer]]}


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        if "$int" in value:
            return int(value["$int"])
        return {key: plain(item) for key, item in value.items()}
    return value


def cases():
    for path in sorted(FIXTURES.glob("*.json")):
        file = json.loads(path.read_text())
        for case in file["cases"]:
            direction = case.get("direction", file["direction"])
            yield pytest.param(file["name"], direction, case, id=f"{file['name']}: {case['note']}")


@pytest.mark.parametrize(("name", "direction", "case"), list(cases()))
def test_fixture_bytes_and_message_are_the_same(name, direction, case):
    message, data = plain(case["message"]), bytes.fromhex(case["hex"])
    assert msgspec.msgpack.decode(data) == message
    kind = FRAME[direction] if name == "envelope" else FROM[direction]
    typed = msgspec.msgpack.decode(data, type=kind)
    again = msgspec.msgpack.encode(typed)
    assert msgspec.msgpack.decode(again) == message
    assert name == "envelope" or message[0] == name


@pytest.mark.parametrize(("name", "direction", "case"), [each for each in cases() if each.values[0] == "envelope"])
def test_envelope_fixture_opens_and_seals(name, direction, case):
    data = bytes.fromhex(case["hex"])
    protocol, epoch, seq, ack, messages = plain(case["message"])
    if direction == "worker":
        opened = open_frame(data)
        assert isinstance(opened, Opened)
        got = opened.envelope
        assert (got.protocol, got.epoch, got.seq, got.ack) == (protocol, epoch, seq, ack)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(opened.messages)) == messages
    else:
        parts = [encode_message(msgspec.convert(message, FromServer)) for message in messages]
        assert msgspec.msgpack.decode(seal_frame(epoch, seq, ack, parts)) == plain(case["message"])


def test_every_message_type_has_a_fixture():
    tags = {kind.__struct_config__.tag for kind in get_args(FromWorker) + get_args(FromServer)}
    assert {path.stem for path in FIXTURES.glob("*.json")} == tags | {"envelope"}
