"""The hub over real ZeroMQ, against a scripted process."""

import uuid

import msgspec
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import until

from rayferry.outcome import Outcome, encode_outcome
from rayferry.tasklink.hub import TaskHub
from rayferry.tasklink.messages import MAX_FRAME, decode_address
from tests.tasklink.peers import Heard, ScriptedProcess, path_of, said, short_folder

EXECUTION = str(uuid.uuid4())


@pytest.fixture
def lines():
    return []


@pytest.fixture
def hub(lines):
    with short_folder() as folder:
        hub = TaskHub(said(lines), ipc=path_of(folder), tcp_host="127.0.0.1", node_id="n1")
        yield hub
        hub.close()
        assert not path_of(folder).exists()


@pytest.fixture
def address(hub):
    return decode_address(hub.address)


@pytest.fixture
def process(address):
    with ScriptedProcess(address) as process:
        process.attach()
        yield process


@pytest.fixture
def heard(hub):
    heard = Heard()
    hub.expect(EXECUTION, 3, heard)
    return heard


def begin(process, heard):
    process.send(["started", EXECUTION, 3, "task"])
    until("it began", lambda: heard.of("begun"))


def test_what_a_process_says_reaches_the_attempts_listener(hub, process, heard):
    outcome = Outcome(ending="SUCCEEDED", content_type="application/json", value=b"1")
    process.send(["started", EXECUTION, 3, "task"], ["progress", EXECUTION, 3, 1, 4.0, "first"])
    process.send(["log", EXECUTION, 3, "warn", "text", 2], ["result", EXECUTION, 3, encode_outcome(outcome)])
    process.send(["leaving", EXECUTION, 3, "timeout"])
    until("all of it", lambda: heard.of("leaving"))
    assert heard.of("begun")[0][1] == "w1"
    assert heard.all[1:] == [
        ("progress", 1.0, 4.0, "first"),
        ("log", "warn", "text", 2),
        ("ended", outcome),
        ("leaving", "timeout"),
    ]


def test_grant_is_what_is_left_of_it_from_the_processs_own_tick(hub, process):
    process.send(["tick", 17.25])
    assert process.expect("authority") == ["authority", 17.25, 0.0]
    hub.grant(20)
    process.send(["tick", 18.0])
    _, tick, seconds = process.expect("authority")
    assert tick == 18.0
    assert 15 < seconds < 20


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (lambda hub: hub.cancel(EXECUTION, 3), ["cancel", EXECUTION, 3, False]),
        (lambda hub: hub.cancel(EXECUTION, 3, hard=True), ["cancel", EXECUTION, 3, True]),
    ],
    ids=["cancel", "hard cancel"],
)
def test_order_goes_to_the_process_that_runs_the_attempt(hub, process, heard, address, order, message):
    with ScriptedProcess(address) as other:
        other.attach("w2")
        begin(process, heard)
        order(hub)
        assert process.expect(message[0]) == message
        other.send(["tick", 1.0])
        assert other.expect("authority")
        assert other.inbox == []


def test_withdrawal_is_told_to_every_process_and_to_later_ones_before_they_have_authority(hub, process, heard, address):
    hub.grant(20)
    with ScriptedProcess(address) as other, ScriptedProcess(address) as late:
        other.attach("w2")
        for each in (process, other):
            each.send(["tick", 1.0])
            assert each.expect("authority")
        hub.withdraw(EXECUTION, 3)
        assert process.expect("withdraw") == other.expect("withdraw") == ["withdraw", EXECUTION, 3]
        late.send(["attached", 1, "w3", "n1", 1], ["tick", 1.0])
        until("both", lambda: late.take() or len(late.inbox) >= 2)
        assert [message[0] for message in late.inbox] == ["withdraw", "authority"]


def test_withdrawal_of_what_has_begun_or_ended_goes_nowhere(hub, process, heard):
    begin(process, heard)
    hub.withdraw(EXECUTION, 3)
    hub.expect(EXECUTION, 4, Heard())
    hub.forget(EXECUTION, 4)
    hub.withdraw(EXECUTION, 4)
    process.send(["tick", 1.0])
    assert process.expect("authority")
    hub.cancel(EXECUTION, 3)
    assert process.expect("cancel")
    assert hub._withdrawn == {}


def test_cancel_of_what_has_not_begun_or_has_ended_goes_nowhere_and_its_last_log_is_heard(hub, process, heard):
    hub.cancel(EXECUTION, 3)
    begin(process, heard)
    hub.forget(EXECUTION, 3)
    hub.cancel(EXECUTION, 3)
    process.send(["log", EXECUTION, 3, "info", "late", 0], ["leaving", EXECUTION, 3, "cancel"], ["tick", 1.0])
    assert process.expect("authority")
    assert [each[0] for each in heard.all] == ["begun", "log"]
    assert [message for message in process.inbox if message[0] == "cancel"] == []


def test_logs_and_progress_are_counted_back_from_each_attach(process, heard):
    piece = ["log", EXECUTION, 3, "info", "x", 0]
    process.send(piece, piece)
    assert process.expect("acknowledged") == ["acknowledged", 2]
    process.send(["progress", EXECUTION, 3, 1, None, None])
    assert process.expect("acknowledged") == ["acknowledged", 3]
    process.attach()
    process.send(piece)
    assert process.expect("acknowledged") == ["acknowledged", 1]


def test_process_that_did_not_attach_or_speaks_another_version_is_not_heard(hub, address, heard, lines):
    with ScriptedProcess(address) as process:
        process.send(["started", EXECUTION, 3, None], ["tick", 1.0])
        process.send(["attached", 2, "w9", "n1", 1])
        process.send(["started", EXECUTION, 3, None], ["tick", 2.0])
        until("it is said", lambda: lines)
        assert "version 2" in lines[0][2]["reason"]
        process.attach()
        process.send(["tick", 3.0])
        assert process.expect("authority")[1] == 3.0
    assert heard.all == []


def test_listener_that_raises_is_logged_and_others_go_on(hub, process, heard, lines):
    heard.progress = None
    process.send(["progress", EXECUTION, 3, 1, None, None], ["result", EXECUTION, 3, b"no outcome"])
    begin(process, heard)
    assert [line[0] for line in lines] == ["error", "error"]


def test_timers_call_in_order(hub):
    called = []
    for seconds in (0.03, 0.01, 0.02):
        hub.after(seconds, lambda seconds=seconds: called.append(seconds))
    until("all", lambda: len(called) == 3)
    assert called == [0.01, 0.02, 0.03]


def test_order_to_a_process_that_is_gone_harms_nobody(hub, process, address, heard):
    with ScriptedProcess(address) as gone:
        gone.attach("w2")
        begin(gone, heard)
    for _ in range(20):
        hub.cancel(EXECUTION, 3)
    process.send(["tick", 1.0])
    assert process.expect("authority")


def test_tcp_admits_the_hubs_own_key_alone(address):
    public, secret = zmq.curve_keypair()
    with ScriptedProcess(address, public=public, secret=secret) as stranger, zmq.Context() as context:
        plain = context.socket(zmq.DEALER)
        plain.setsockopt(zmq.LINGER, 0)
        plain.connect(address.tcp)
        plain.send(msgspec.msgpack.encode([["attached", 1, "w", "n", 1], ["tick", 1.0]]))
        stranger.attach()
        stranger.send(["tick", 1.0])
        # By the time that one with the key has been in and out a hundred times, either would have had an answer.
        with ScriptedProcess(address, public=address.public_key, secret=address.secret_key) as friend:
            friend.attach()
            for tick in range(100):
                friend.send(["tick", float(tick)])
                friend.expect("authority")
        stranger.take()
        assert stranger.inbox == []
        with pytest.raises(zmq.Again):
            plain.recv(zmq.DONTWAIT)
        plain.close(0)


def test_keys_are_in_the_payload_only(hub, address):
    for key in (address.secret_key, address.public_key, address.server_key):
        assert key in hub.address
        assert key.decode() not in repr(address)


KINDS = st.sampled_from(["started", "progress", "log", "result", "tick", "leaving", "attached", "cancel", EXECUTION])
FIELDS = st.one_of(KINDS, st.integers(-(2**63), 2**64 - 1), st.text(max_size=5), st.binary(max_size=5), st.floats())
MESSAGES = st.lists(st.lists(FIELDS, max_size=7), max_size=4).map(msgspec.msgpack.encode)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=st.one_of(st.binary(max_size=200), MESSAGES), parts=st.integers(1, 3))
def test_hub_survives_garbage(process, heard, frame, parts):
    process.socket.send_multipart([frame] * parts)
    process.send(["tick", 1.0])
    assert process.expect("authority")


def test_frame_that_is_too_big_costs_its_sender_the_connection_and_nobody_else_anything(process, address):
    with ScriptedProcess(address) as big:
        big.socket.send(b"x" * (MAX_FRAME + 1))
        process.send(["tick", 1.0])
        assert process.expect("authority")


def test_last_words_of_a_process_that_has_left_are_heard_behind_what_could_not_be_answered(hub, address):
    outcome = encode_outcome(Outcome(ending="SUCCEEDED"))
    for fence in range(1, 61):
        heard = Heard()
        hub.expect(EXECUTION, fence, heard)
        with ScriptedProcess(address) as process:
            process.attach()
            process.send(["tick", 1.0])
            # Answered when it is here, with luck; the next ones can't be.
            for index in range(5):
                process.send(["log", EXECUTION, fence, "info", str(index), 0], ["tick", 2.0])
            process.send(["result", EXECUTION, fence, outcome])
            process.socket.close(1000)
        until("its result", lambda heard=heard: heard.of("ended"), 5)
