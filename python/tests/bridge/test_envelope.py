import msgspec
import pytest
from hypothesis import given
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


def test_hello_of_a_later_protocol_is_still_read():
    opened = open_frame(frame([*HELLO, "a field of version 2"], protocol=2, epoch=None, seq=0))
    assert opened.hello is not None


def test_loose_frame_without_messages_carries_its_ack():
    opened = open_frame(frame(seq=0, ack=7))
    assert (opened.messages, opened.envelope.ack, opened.hello) == ([], 7, None)
