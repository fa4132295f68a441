"""The numbers of a session, beside a model: whatever the link loses, all arrives, in order, once."""

import msgspec
import pytest
from effort import rounds
from hypothesis import given, settings
from hypothesis import strategies as st

from rayferry.bridge.delivery import Incoming, Outgoing
from rayferry.bridge.fields import Credit
from rayferry.errors import FrameRefused


def part(size=1):
    return msgspec.msgpack.encode(b"x" * size)


def test_frames_are_numbered_and_kept_until_acknowledged():
    outgoing = Outgoing(Credit(100, 1000))
    assert [outgoing.keep([part()], 10), outgoing.keep([part(), part()], 20)] == [1, 2]
    assert outgoing.outstanding == (3, 30)
    assert [seq for seq, _ in outgoing.after(0)] == [1, 2]
    assert [seq for seq, _ in outgoing.after(1)] == [2]
    outgoing.acknowledge(1)
    assert (outgoing.outstanding, [seq for seq, _ in outgoing.after(0)]) == ((2, 20), [2])
    outgoing.acknowledge(0)
    assert outgoing.acknowledged == 1


def test_ack_of_what_was_never_sent_is_refused_and_changes_nothing():
    outgoing = Outgoing(Credit(100, 1000))
    outgoing.keep([part()], 10)
    with pytest.raises(FrameRefused, match="at most 1, the last frame sent; got 2"):
        outgoing.acknowledge(2)
    assert outgoing.outstanding == (1, 10)


@pytest.mark.parametrize(("messages", "size", "fits"), [(2, 10, True), (3, 10, False), (1, 91, False), (1, 90, True)])
def test_credit_counts_messages_and_bytes(messages, size, fits):
    outgoing = Outgoing(Credit(3, 100))
    assert outgoing.fits(1, 1_000)
    assert not outgoing.fits(2, 1_000)
    assert not outgoing.fits(4, 4)
    outgoing.keep([part()], 10)
    assert outgoing.fits(messages, size) is fits


def test_incoming_takes_the_next_one_only():
    incoming = Incoming(Credit(100, 1000))
    arrivals = [incoming.take(seq, 1, 1) for seq in (1, 1, 3, 2, 1, 2, 3)]
    assert arrivals == ["next", "duplicate", "gap", "next", "duplicate", "duplicate", "next"]
    assert incoming.ack() == 3


def test_incoming_owes_an_ack_at_a_quarter_of_the_credit():
    incoming = Incoming(Credit(8, 1000))
    incoming.take(1, 1, 1)
    assert not incoming.owes_ack
    incoming.take(2, 1, 1)
    assert incoming.owes_ack
    incoming.ack()
    assert not incoming.owes_ack
    incoming.take(3, 1, 250)
    assert incoming.owes_ack


# What happens to the link, one step after another.
STEPS = st.lists(st.sampled_from(["send", "lose", "deliver", "repeat", "ack", "lose ack", "resume"]), max_size=200)


@settings(max_examples=rounds(300, brief=60), deadline=None)
@given(STEPS, st.integers(1, 5), st.integers(1, 50))
def test_whatever_is_lost_or_repeated_all_arrives_in_order_once(steps, messages, size):
    credit = Credit(messages, size)
    sender, receiver = Outgoing(credit), Incoming(credit)
    link: list[tuple[int, int]] = []
    arrived: list[int] = []
    written = 0

    def deliver(frame):
        seq, value = frame
        if receiver.take(seq, 1, 7) == "next":
            arrived.append(value)

    def resume():
        link[:] = [(seq, msgspec.msgpack.decode(parts[0])) for seq, parts in sender.after(receiver.received)]

    for step in steps:
        if step == "send" and sender.fits(1, 7):
            link.append((sender.keep([msgspec.msgpack.encode(written)], 7), written))
            written += 1
        elif step == "lose" and link:
            link.pop(0)
        elif step == "deliver" and link:
            deliver(link.pop(0))
        elif step == "repeat" and link:
            deliver(link[0])
        elif step == "ack":
            sender.acknowledge(receiver.ack())
        elif step == "resume":
            resume()
        kept, bytes_kept = sender.outstanding
        assert kept <= max(1, credit.messages)
        assert bytes_kept <= max(7, credit.bytes)
        assert arrived == list(range(len(arrived)))
    resume()
    for frame in link:
        deliver(frame)
    assert arrived == list(range(written))
    sender.acknowledge(receiver.ack())
    assert sender.outstanding == (0, 0)
