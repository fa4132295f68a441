"""Rules of PROTOCOL.md that need a runner which does as it is told, or a clock that stands still."""

import pytest
from model.stage import Peer, Stage

from rayferry.server.session import LOOSE_BYTES


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def peer(stage):
    peer = Peer(stage)
    peer.greet()
    return peer


def of_kind(kind, messages):
    return [message for message in messages if message[0] == kind]


def messages(frames):
    return [message for frame in frames for message in frame[4]]


def test_hello_of_another_epoch_is_a_fault(peer):
    assert peer.greet(epoch="another")[:2] == ["fault", "WRONG_EPOCH"]


def test_hello_under_a_number_is_a_fault(peer):
    assert peer.greet(seq=1)[:2] == ["fault", "BAD_FRAME"]


def test_resume_in_another_role_begins_anew(peer):
    session = peer.greet()[5]
    assert peer.greet(resume=[session, 1], role="drain")[6] is False


def test_retired_server_goes_on_for_its_own_session_and_those_that_drain(stage, peer):
    session = peer.greet()[5]
    peer.submit("a")
    peer.say(["retire", "newer code"])
    assert peer.greet(resume=[session, peer.received])[6] is True
    assert Peer(stage, "three").greet(role="drain")[0] == "welcome"
    assert of_kind("rejected", peer.submit("b"))[0][3] == "ENDING"


def test_retired_server_is_in_service_again_for_an_incarnation_that_would_submit(stage, peer):
    peer.greet()
    peer.submit("a")
    peer.say(["retire", "newer code"])
    second = Peer(stage, "two")
    assert second.greet(replaces=["one"])[0] == "welcome"
    assert of_kind("accepted", second.submit("b"))


def test_retire_of_a_session_that_drains_is_ignored_while_another_submits(stage, peer):
    peer.greet()
    drain = Peer(stage, "late")
    drain.greet(role="drain")
    drain.say(["retire", "of a worker that was replaced, and hasn't heard of it"])
    assert of_kind("accepted", peer.submit("a"))


def test_ack_below_the_last_one_is_ignored_and_the_frame_counts(stage, peer):
    for execution in "abc":
        peer.submit(execution)
    (session,) = stage.server.sessions
    newest = session.outgoing.acknowledged
    assert newest > 0
    assert of_kind("accepted", peer.say(["submit", "d", 1, 1, "run", "application/json", b"{}", None, 0.0, {}], ack=1))
    assert session.outgoing.acknowledged == newest


def test_what_has_no_answer_is_acknowledged_with_the_next_heartbeat(stage, peer):
    stage.turn()
    peer.take()
    peer.say(["recorded", []])
    stage.now += 1
    stage.turn()
    (frame,) = peer.take()
    assert (frame[4][0][0], frame[3]) == ("heartbeat", peer.sent)


def test_logs_and_progress_are_bounded_until_the_worker_is_heard_and_never_delay_a_result(stage, peer):
    peer.submit("a")
    running = stage.attempt("a")
    for _ in range(100):
        running.events.log("info", "x" * 16_384)
    running.events.progress(1, 2, "y" * 2_000)
    stage.runner.succeed(running)
    stage.turn()
    frames = peer.take()
    assert [message[0] for message in frames[0][4]] == ["result"]
    logs = of_kind("log", messages(frames))
    assert 60 <= len(logs) <= LOOSE_BYTES // 16_384
    stage.now += 0.1
    running.events.log("info", "x" * 16_384)
    assert not of_kind("log", messages(stage_turn(stage, peer)))
    peer.say(["heartbeat", 0], seq=0)
    running.events.log("info", "heard again")
    (log,) = of_kind("log", messages(stage_turn(stage, peer)))
    # 100 pieces, of which some came, and the one that nobody heard.
    assert log[6] == 100 - len(logs) + 1


def test_progress_is_coalesced_to_the_newest_and_its_message_is_cut(stage, peer):
    peer.submit("a")
    running = stage.attempt("a")
    for step in range(50):
        running.events.progress(step, 50, "y" * 2_000)
    assert of_kind("progress", messages(stage_turn(stage, peer))) == [["progress", "a", 1, 49.0, 50.0, "y" * 1_000]]


def test_newer_fence_kills_the_older_attempt_and_a_result_of_either_is_told(stage, peer):
    peer.submit("a", fence=1)
    older = stage.attempt("a", 1)
    assert of_kind("accepted", peer.submit("a", fence=2))
    assert (older.killed, stage.attempt("a", 2).killed) == (True, False)
    stage.runner.die(older)
    stage.runner.succeed(stage.attempt("a", 2))
    told = of_kind("result", messages(stage_turn(stage, peer)))
    assert [(result[2], result[3]) for result in told] == [(1, "CANCELLED"), (2, "SUCCEEDED")]


def test_cancel_interrupts_then_kills_when_its_grace_is_over(stage, peer):
    peer.submit("a")
    running = stage.attempt("a")
    peer.say(["cancel", "a", 1, 2.0])
    assert (running.interrupted, running.killed) == (True, False)
    stage.now += 2
    stage.turn()
    assert running.killed


@pytest.mark.parametrize("grace", [float("nan"), float("inf"), 1.1e9, -0.5])
def test_cancel_with_a_grace_that_is_no_time_is_a_fault(stage, peer, grace):
    peer.submit("a")
    assert peer.say(["cancel", "a", 1, grace])[0][:2] == ["fault", "BAD_FRAME"]
    assert not stage.attempt("a").interrupted


@pytest.mark.parametrize("timeout", [(1e300, 0.0), (float("inf"), 0.0), (60.0, 1.1e9)])
def test_timeout_that_no_clock_can_keep_is_a_fault(stage, peer, timeout):
    assert peer.submit("a", timeout=timeout)[0][:2] == ["fault", "BAD_FRAME"]
    assert stage.runner.live == []


def test_withdraw_and_cancel_of_what_is_not_held_are_rejected(peer):
    rejected = peer.say(["withdraw", "a", 1], ["cancel", "b", 1, 0])
    assert [message[:4] for message in rejected] == [
        ["rejected", "a", 1, "UNKNOWN_EXECUTION"],
        ["rejected", "b", 1, "UNKNOWN_EXECUTION"],
    ]


def test_adopted_attempt_that_has_ended_or_ends_is_told_once(stage, peer):
    peer.submit("ended")
    peer.submit("ends")
    stage.runner.succeed(stage.attempt("ended"))
    stage.turn()
    drain = Peer(stage, "two")
    drain.greet(role="drain")
    running = stage.attempt("ends")
    stage.runner.begin(running)
    stage.runner.succeed(running)
    told = [*drain.say(["adopt", [["ended", 1], ["ends", 1]]]), *messages(stage_turn(stage, drain))]
    assert [message[:2] for message in told] == [["result", "ended"], ["result", "ends"]]


def test_resubmits_of_ended_attempts_bring_results_only_as_credit_allows(stage):
    peer = Peer(stage)
    peer.greet(credit={"messages": 1, "bytes": 1})
    for execution in "abc":
        peer.submit(execution)
        stage.runner.succeed(stage.attempt(execution), b"x" * 1_000)
    stage.turn()
    for execution in "abc":
        peer.submit(execution)
    (session,) = stage.server.sessions
    assert session.outgoing.outstanding[0] <= 1


def stage_turn(stage, peer):
    stage.turn()
    return peer.take()


def nested(levels):
    value = [0]
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(("levels", "accepted"), [(28, True), (29, False), (900, False)])
def test_nesting_beyond_the_limit_is_a_fault(peer, levels, accepted):
    # The frame, its messages, this message and its options are four levels.
    submit = ["submit", "a", 1, 1, "run", "application/json", b"{}", None, 0.0, {"deep": nested(levels)}]
    kind, what, *_ = peer.say(submit)[0]
    assert (kind, what) == (("accepted", "a") if accepted else ("fault", "BAD_FRAME"))


def test_frame_or_message_that_is_longer_than_it_should_be_is_a_fault(peer):
    assert peer.say(["recorded", [], "more"])[0][:2] == ["fault", "BAD_FRAME"]
    longer = b"\x96" + bytes([1]) + b"\xa1e" + bytes([1, 0]) + b"\x91\x92\xa8recorded\x90" + b"\x00"
    assert peer.raw(longer)[0][4][0][:2] == ["fault", "BAD_FRAME"]
