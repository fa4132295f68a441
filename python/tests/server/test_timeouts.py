"""The server's share of a timeout: it kills what didn't end by itself, and says of which death that was the reason."""

import msgspec
import pytest
from model.stage import Peer, Stage

from rayferry.outcome import Again, Outcome, Place, failed
from rayferry.server.held import HeldAttempts
from rayferry.timeouts import Timeout

TIMEOUT = (2.0, 1.5)
KILLED = "The task ran longer than its timeout of 2 s, and was killed 1.5 s after the interrupt."


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def peer(stage):
    peer = Peer(stage)
    peer.greet()
    return peer


def later(stage, peer, seconds):
    """The clock goes on, with a worker that renews its lease: the results that come."""
    found = []
    end = stage.now + seconds
    while stage.now < end:
        stage.now = min(end, stage.now + 0.5)
        tick = stage.now
        for frame in [*peer.answers(["heartbeat", 1], seq=0), *peer.answers(["authority", tick], seq=0)]:
            found += [message for message in frame[4] if message[0] == "result"]
    return found


def begin(stage, peer, timeout=TIMEOUT):
    peer.submit("a", timeout=timeout)
    attempt = stage.attempt("a")
    stage.runner.begin(attempt)
    stage.turn()
    return attempt


def test_runner_is_told_of_the_timeout(stage, peer):
    assert begin(stage, peer).attempt.timeout == Timeout(2.0, 1.5)
    peer.submit("b")
    assert stage.attempt("b").attempt.timeout is None


def test_what_has_not_ended_soon_after_its_grace_is_killed_and_timed_out(stage, peer):
    attempt = begin(stage, peer)
    later(stage, peer, 4.5)
    assert (attempt.killed, attempt.interrupted) == (False, False)
    later(stage, peer, 0.5)
    assert attempt.killed
    attempt.killed = False
    # A kill that shows no effect is asked for again.
    later(stage, peer, 2.5)
    assert attempt.killed
    stage.runner.crash(attempt)
    [[_, *_, outcome, _, value, error, again, run]] = later(stage, peer, 0.5)
    assert (outcome, value, again, run["run_seconds"]) == ("TIMED_OUT", None, None, None)
    assert (error["code"], error["type"], error["message"]) == ("Timeout", "Timeout", KILLED)
    assert error["traceback"] is None


@pytest.mark.parametrize(
    ("ran", "word", "code"),
    [(1.0, "LOST", "ProcessCrashed"), (3.0, "LOST", "ProcessCrashed"), (3.5, "TIMED_OUT", "Timeout")],
)
def test_process_that_died_when_its_grace_was_over_died_of_it(stage, peer, ran, word, code):
    attempt = begin(stage, peer)
    later(stage, peer, ran)
    stage.runner.crash(attempt)
    [result] = later(stage, peer, 0.5)
    assert (result[3], result[6]["code"]) == (word, code)


def test_cancel_in_the_grace_wins(stage, peer):
    attempt = begin(stage, peer)
    later(stage, peer, 2.5)
    peer.say(["cancel", "a", 1, 30.0])
    later(stage, peer, 1.0)
    stage.runner.crash(attempt)
    [result] = later(stage, peer, 0.5)
    assert (result[3], result[6]["code"]) == ("CANCELLED", "Cancelled")


def test_what_waits_in_ray_has_no_timeout_yet(stage, peer):
    peer.submit("a", timeout=TIMEOUT)
    attempt = stage.attempt("a")
    later(stage, peer, 60)
    stage.runner.begin(attempt)
    later(stage, peer, 4.0)
    assert not attempt.killed
    stage.runner.succeed(attempt)
    [result] = later(stage, peer, 0.5)
    assert result[3] == "SUCCEEDED"


def test_server_that_stood_still_kills_nothing_before_it_has_heard_what_happened(stage, peer):
    attempt = begin(stage, peer)
    stage.now += 5.5
    stage.turn()
    assert not attempt.killed
    later(stage, peer, 0.5)
    assert attempt.killed


def test_crash_while_the_server_stood_still_is_a_loss(stage, peer):
    attempt = begin(stage, peer)
    stage.now += 5.5
    stage.runner.crash(attempt)
    [result] = later(stage, peer, 0.5)
    assert (result[3], result[6]["code"]) == ("LOST", "ProcessCrashed")


@pytest.mark.parametrize("cancel", [2.0, 0.0])
def test_what_has_ended_when_its_kill_is_due_is_left_alone(stage, peer, cancel):
    attempt = begin(stage, peer)
    peer.say(["cancel", "a", 1, 2.0])
    stage.now += 3.0
    stage.runner.succeed(attempt)
    results = [message for message in peer.say(["cancel", "a", 1, cancel]) if message[0] == "result"]
    assert (attempt.killed, results[0][3]) == (False, "SUCCEEDED")


def test_value_counts_whenever_it_comes(stage, peer):
    attempt = begin(stage, peer)
    later(stage, peer, 6)
    assert attempt.killed
    stage.runner.succeed(attempt)
    [result] = later(stage, peer, 0.5)
    assert result[3] == "SUCCEEDED"


def test_what_the_task_asked_for_is_in_the_result(stage, peer):
    attempt = begin(stage, peer)
    snoozed = failed("TaskError", "not yet", "SNOOZED")
    stage.runner._end(attempt, msgspec.structs.replace(snoozed, again=Again(True, 5.0)))
    [result] = later(stage, peer, 0.5)
    assert (result[3], result[7]) == ("SNOOZED", {"retry": True, "after_seconds": 5.0})


def test_start_that_is_heard_after_all_is_over_is_not_timed():
    held = HeldAttempts()
    attempt = held.add("a", 1, "holder", Timeout(1.0, 0.0))
    held.forget(attempt)
    held.begin(attempt, Place(None, None, None, None), 0.0)
    assert held.to_kill(60.0) == []


def test_thousands_that_end_in_time_are_neither_kept_nor_looked_through():
    held = HeldAttempts()
    place = Place(None, None, None, None)
    for index in range(2_000):
        at = index / 1_000
        attempt = held.add(str(index), 1, "holder", Timeout(60.0, 5.0))
        held.begin(attempt, place, at)
        held.end(attempt, Outcome(ending="SUCCEEDED"), at, None)
        held.forget(attempt)
    last = held.add("last", 1, "holder", Timeout(60.0, 5.0))
    held.begin(last, place, 2.0)
    assert held._timed == {last}
    assert held.to_kill(66.5) == []
    assert held._look_at == 68.5
    assert held.to_kill(68.5) == [last]
