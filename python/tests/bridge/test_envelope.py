import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayferry.bridge.envelope import MAX_FRAME, Envelope, Sequence, open_frame
from rayferry.errors import FrameRefused

CLOSE = ["close", "bye"]
HELLO = ["hello", 1, 1, "0.1.0", "w", "i", None, []]


def frame(*messages, protocol=1, epoch="e", seq=1, ack=0):
    return msgspec.msgpack.encode([protocol, epoch, seq, ack, list(messages)])


def envelope(seq, ack=0):
    return Envelope(1, "e", seq, ack, [])


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
        (frame(["cancel", "x", 0, 1.0]), "BAD_FRAME"),
        (frame(["cancel", "x", 2**63, 1.0]), "BAD_FRAME"),
        (frame(["cancel", "x", 5e9, 1.0]), "BAD_FRAME"),
        (frame(["cancel", "x", 1, -1.0]), "BAD_FRAME"),
        (frame(*[CLOSE] * 10_001), "BAD_FRAME"),
        (frame(CLOSE) + b"\0", "BAD_FRAME"),
        (b"\x91" * 100_000, "BAD_FRAME"),
        (b"\0" * (MAX_FRAME + 1), "TOO_LARGE"),
    ],
    ids=range(19),
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
    opened = open_frame(frame([*HELLO, "a field of version 2"], protocol=2, epoch=None))
    assert opened.hello is not None


def test_sequence_takes_the_next_frame_only():
    sequence = Sequence()
    sequence.take(envelope(1))
    for wrong in (1, 3, 0, -1):
        with pytest.raises(FrameRefused, match="Expected frame 2"):
            sequence.take(envelope(wrong))
    sequence.take(envelope(2))
    assert sequence.received == 2


def test_sequence_refuses_an_ack_of_what_was_never_sent_or_that_goes_back():
    sequence = Sequence()
    assert [sequence.next(), sequence.next()] == [1, 2]
    with pytest.raises(FrameRefused, match="ack"):
        sequence.take(envelope(1, ack=3))
    sequence.take(envelope(1, ack=2))
    with pytest.raises(FrameRefused, match="ack"):
        sequence.take(envelope(2, ack=1))
    assert (sequence.received, sequence.acknowledged) == (1, 2)
