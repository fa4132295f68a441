import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayferry.bridge.envelope import MAX_FRAME, open_frame
from rayferry.errors import FrameRefused

CLOSE = ["close", "bye", False]
CREDIT = {"messages": 1, "bytes": 1}
HELLO = ["hello", 1, 1, "0.1.0", "w", "i", 1, "submit", [], None, None, CREDIT, []]
BEAT = ["heartbeat", 0]


def frame(*messages, protocol=1, epoch="e", seq=1, ack=0):
    return msgspec.msgpack.encode([protocol, epoch, seq, ack, list(messages)])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "BAD_FRAME"),
        (b"\xc1", "BAD_FRAME"),
        (b"hello", "BAD_FRAME"),
        (msgspec.msgpack.encode([1, "e", 1, 0]), "BAD_FRAME"),
        (msgspec.msgpack.encode({"protocol": 1}), "BAD_FRAME"),
        (frame(), "BAD_FRAME"),
        (frame(["dance"]), "BAD_FRAME"),
        (frame(["close"]), "BAD_FRAME"),
        (frame(["close", None]), "BAD_FRAME"),
        (frame(CLOSE, protocol=2), "BAD_FRAME"),
        (frame(HELLO, CLOSE), "BAD_FRAME"),
        (frame(HELLO, HELLO, seq=0), "BAD_FRAME"),
        (frame(CLOSE, seq=0), "BAD_FRAME"),
        (frame(BEAT, seq=1), "BAD_FRAME"),
        (frame(BEAT, CLOSE, seq=1), "BAD_FRAME"),
        (frame(CLOSE, seq=-1), "BAD_FRAME"),
        (frame(CLOSE, ack=-1), "BAD_FRAME"),
        (frame([*HELLO[:11], {"messages": 0, "bytes": 1}, []], seq=0), "BAD_FRAME"),
        (frame([*HELLO[:7], "watch", *HELLO[8:]], seq=0), "BAD_FRAME"),
        (frame(["recorded", [["x", 1]] * 10_001]), "BAD_FRAME"),
        (frame(["cancel", "x", 0, 1.0]), "BAD_FRAME"),
        (frame(["cancel", "x", 2**63, 1.0]), "BAD_FRAME"),
        (frame(["cancel", "x", 5e9, 1.0]), "BAD_FRAME"),
        (frame(["cancel", "x", 1, -1.0]), "BAD_FRAME"),
        (frame(*[CLOSE] * 10_001), "BAD_FRAME"),
        (frame(CLOSE) + b"\0", "BAD_FRAME"),
        (b"\x91" * 100_000, "BAD_FRAME"),
        (b"\0" * (MAX_FRAME + 1), "TOO_LARGE"),
    ],
    ids=range(28),
)
def test_frame_that_breaks_the_protocol_is_refused(data, code):
    with pytest.raises(FrameRefused) as caught:
        open_frame(data)
    assert caught.value.code == code


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else(data):
    with pytest.raises(FrameRefused):
        open_frame(data)


GOOD = [
    frame(HELLO, seq=0),
    frame(["submit", "x", 1, 1, "t", "application/json", b"{}", None, 0.0, {"a": [1, {"b": None}]}], CLOSE),
    frame(["recorded", [["x", 1], ["y", 2**63 - 1]]], ["cancel", "x", 1, 2.5], ["inventory"]),
    frame(BEAT, ["authority", 1.5], seq=0),
]
CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6)


def opens_or_refuses(data):
    with contextlib.suppress(FrameRefused):
        open_frame(data)


@given(st.sampled_from(GOOD), CHANGES)
def test_good_frame_with_bytes_changed_is_read_or_refused_and_nothing_else(good, changes):
    data = bytearray(good)
    for at, byte in changes:
        data[at % len(data)] = byte
    opens_or_refuses(bytes(data))


@pytest.mark.long
@settings(max_examples=50_000, deadline=None)
@given(st.sampled_from(GOOD), CHANGES, st.binary(max_size=30))
def test_the_same_for_a_longer_time(good, changes, tail):
    data = bytearray(good + tail)
    for at, byte in changes:
        data[at % len(data)] = byte
    opens_or_refuses(bytes(data))


@pytest.mark.parametrize("good", GOOD, ids=range(len(GOOD)))
def test_good_frame_cut_anywhere_is_refused(good):
    for end in range(len(good)):
        with pytest.raises(FrameRefused):
            open_frame(good[:end])


def test_hello_of_a_later_protocol_is_still_read():
    opened = open_frame(frame([*HELLO, "a field of version 2"], protocol=2, epoch=None, seq=0))
    assert opened.hello is not None


def test_loose_frame_without_messages_carries_its_ack():
    opened = open_frame(frame(seq=0, ack=7))
    assert (opened.messages, opened.envelope.ack, opened.hello) == ([], 7, None)
