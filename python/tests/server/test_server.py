"""The server over real ZeroMQ, with the runner without Ray."""

import uuid
from pathlib import Path

import msgspec
import pytest
from support import Worker, until


def started(marks):
    until("the task runs", Path(marks[0]).exists)


def release(marks):
    Path(marks[1]).touch()


def test_hello_is_answered_with_welcome_and_registry(hosted, worker):
    welcome = worker.greet()
    assert (welcome.protocol, welcome.build, welcome.epoch) == (1, "0.1.0", hosted.server.epoch)
    assert (welcome.hello, welcome.resumed, welcome.received, welcome.authority_seconds) == (1, False, 0, 8)
    assert (welcome.cluster, welcome.generation, len(welcome.registry_digest)) == (None, None, 64)
    assert (welcome.tick > 0, welcome.pid > 0, welcome.python.count(".")) == (True, True, 2)
    _, tasks, failures = worker.registry
    (add,) = (task for task in tasks if task["name"] == "add")
    assert add["doc"] == "Adds."
    assert [failure["module"] for failure in failures] == ["broken_tasks"]
    assert worker.inventory == []
    assert [frame[:4] for frame in worker.frames[:2]] == [[1, welcome.epoch, 0, 0], [1, welcome.epoch, 1, 0]]


def test_hello_without_a_version_in_common_is_refused(worker):
    worker.hello(2, 3)
    _, hello, code, message = worker.expect("refused")
    assert (hello, code) == (1, "PROTOCOL_MISMATCH")
    assert "tester" in message


def test_hello_of_another_incarnation_is_refused_while_the_session_lives(hosted, worker):
    worker.greet()
    with Worker(hosted.endpoint) as other:
        other.hello()
        _, _, code, message = other.expect("refused")
        assert code == "SESSION_TAKEN"
        assert worker.incarnation in message
        assert other.incarnation in message
    assert worker.run("add", [1])["decoded"] == 3


def test_hello_of_another_incarnation_takes_a_session_that_went_silent(hosted, worker):
    # No ack that is still under way may be heard after the leap.
    worker.auto_ack = False
    worker.greet()
    hosted.server.authority.seconds = 100
    hosted.ahead = 11
    with Worker(hosted.endpoint) as other:
        other.greet()
        assert other.run("add", [1])["decoded"] == 3
        worker.send(["retire", "late"])
        assert worker.expect("fault")[1] == "NO_SESSION"


def test_hello_again_starts_the_numbers_anew_and_brings_unrecorded_results(worker):
    worker.greet()
    done = worker.run("add", [1])
    worker.inbox.clear()
    worker.greet()
    assert worker.inventory == [[done["execution"], 1, worker.incarnation, "ENDED"]]
    again = worker.result(done["execution"])
    assert again["decoded"] == 3
    assert again["run"]["age_seconds"] > done["run"]["age_seconds"]
    worker.send(["recorded", [[done["execution"], 1]]])
    worker.greet()
    assert worker.inventory == []


@pytest.mark.parametrize(
    ("task", "arguments", "code", "says"),
    [
        ("fail", ["tüt"], "TaskError", "tüt"),
        ("leave", [3], "TaskError", "3"),
        ("add", {"c": 1}, "InvalidInput", "add: "),
        ("add", [1, 2, 3], "InvalidInput", "too many positional arguments"),
        ("bad_result", [], "ResultNotSerializable", "result.rows[3].when"),
        ("big", [1000], "ResultTooLarge", "1,002 bytes"),
    ],
)
def test_result_of_a_failure_names_its_code(worker, task, arguments, code, says):
    worker.greet()
    result = worker.run(task, arguments)
    assert (result["outcome"], result["error"]["code"]) == ("FAILED", code)
    assert says in result["error"]["message"]
    assert (result["content_type"], result["value"]) == (None, None)


def test_result_of_an_error_has_type_bases_and_the_users_frames_only(worker):
    worker.greet()
    error = worker.run("fail")["error"]
    assert error["type"] == "sample_tasks.OddError"
    assert error["bases"] == ["ValueError", "Exception", "BaseException"]
    assert "sample_tasks.py" in error["traceback"].splitlines()[1]
    assert "execute.py" not in error["traceback"]


def test_result_of_plain_and_async_tasks_and_both_ways_of_arguments(worker):
    worker.greet()
    assert worker.run("add", {"a": 1, "b": 5})["decoded"] == 6
    assert worker.run("add_later", [1, 2])["decoded"] == 3
    assert worker.run("echo", {"x": [1, None, "ü"]})["decoded"] == {"values": [], "named": {"x": [1, None, "ü"]}}


def test_submit_again_changes_nothing_and_is_answered_again(worker, marks):
    worker.greet()
    execution = worker.submit("hold", marks)
    worker.expect("accepted", execution)
    started(marks)
    worker.submit("fail", execution=execution)
    worker.expect("accepted", execution)
    release(marks)
    assert worker.result(execution)["decoded"] == "released"
    worker.submit("fail", execution=execution)
    worker.expect("accepted", execution)
    assert worker.result(execution)["decoded"] == "released"


def test_submit_with_an_older_fence_is_rejected(worker):
    worker.greet()
    execution = worker.submit("add", [1], fence=2**63 - 1)
    worker.result(execution)
    worker.submit("add", [1], fence=4, execution=execution)
    assert worker.expect("rejected", execution)[2:4] == [4, "STALE_FENCE"]


def test_submit_of_an_unknown_task_is_rejected_and_names_what_there_is(worker):
    worker.greet()
    execution = worker.submit("ad", [1])
    _, _, _, code, message = worker.expect("rejected", execution)
    assert code == "UNKNOWN_TASK"
    assert "add" in message
    assert "broken_tasks" in message
    worker.greet()
    assert worker.inventory == []


def test_recorded_forgets_results_but_not_what_still_runs(worker, marks):
    worker.greet()
    running = worker.submit("hold", marks)
    started(marks)
    worker.send(["recorded", [[running, 1], [str(uuid.uuid4()), 1]]])
    worker.greet()
    assert [entry[:3] for entry in worker.inventory] == [[running, 1, worker.incarnation]]
    release(marks)
    assert worker.result(running)["outcome"] == "SUCCEEDED"


def test_cancel_of_one_that_has_not_started_ends_it_cancelled(worker, marks):
    worker.greet()
    first, second = worker.submit("hold", marks), worker.submit("add", [1])
    started(marks)
    worker.send(["cancel", second, 1, 5.0])
    cancelled = worker.result(second)
    assert (cancelled["outcome"], cancelled["error"]["code"]) == ("CANCELLED", "Cancelled")
    assert cancelled["run"]["run_seconds"] is None
    release(marks)
    assert worker.result(first)["outcome"] == "SUCCEEDED"


def test_cancel_of_one_that_cannot_be_interrupted_says_what_it_did(worker, marks):
    worker.greet()
    execution = worker.submit("hold", marks)
    started(marks)
    worker.send(["cancel", execution, 1, 0])
    release(marks)
    assert worker.result(execution)["outcome"] == "SUCCEEDED"


def test_cancel_of_one_that_has_ended_brings_its_result_again(worker):
    worker.greet()
    execution = worker.run("add", [1])["execution"]
    worker.send(["cancel", execution, 1, 5.0])
    assert worker.result(execution)["decoded"] == 3


def test_cancel_of_one_that_is_not_held_is_rejected(worker):
    worker.greet()
    execution = str(uuid.uuid4())
    worker.send(["cancel", execution, 1, 5.0])
    assert worker.expect("rejected", execution)[3] == "UNKNOWN_EXECUTION"


def test_heartbeats_count_what_runs_and_what_is_unrecorded(worker, marks):
    worker.greet()
    worker.run("add", [1])
    worker.submit("hold", marks)
    started(marks)
    worker.inbox.clear()
    _, tick, running, unrecorded, unrecorded_bytes, accepting = worker.expect("heartbeat")
    assert (running, unrecorded, unrecorded_bytes, accepting) == (1, 1, 1, True)
    assert worker.expect("heartbeat")[1] > tick
    release(marks)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"ack": 99}, "BAD_SEQUENCE"),
        ({"epoch": "other"}, "WRONG_EPOCH"),
        ({"seq": 0}, "BAD_FRAME"),
        ({"seq": -1}, "BAD_FRAME"),
        ({"protocol": 2}, "BAD_FRAME"),
    ],
)
def test_frame_that_breaks_a_rule_gets_a_fault_and_is_not_acted_upon(worker, wrong, code):
    worker.greet()
    worker.send(["close", "not acted upon", True], **wrong)
    assert worker.expect("fault")[1] == code
    worker.sent -= 1
    assert worker.run("add", [1])["decoded"] == 3


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\0" * 100, b"\x93\x01\x02", msgspec.msgpack.encode([1, None, 1, 0, []])]
)
def test_garbage_gets_a_fault_and_never_ends_the_server(hosted, worker, data):
    with Worker(hosted.endpoint) as stranger:
        stranger.raw(data)
        assert stranger.expect("fault")[1] == "BAD_FRAME"
    worker.greet()
    worker.raw(data)
    assert worker.expect("fault")[1] == "BAD_FRAME"
    assert worker.run("add", [1])["decoded"] == 3


def test_frame_before_hello_gets_no_session(worker):
    worker.send(["close", "x", True])
    assert worker.expect("fault")[1] == "NO_SESSION"
    assert worker.greet()


def test_frame_over_the_limit_gets_too_large(worker):
    worker.greet()
    worker.raw(b"\0" * (64 * 1024 * 1024 + 1))
    assert worker.expect("fault")[1] == "TOO_LARGE"


def test_close_ends_the_server(hosted, worker):
    worker.greet()
    worker.send(["close", "done", True])
    assert hosted.ended() == "CLOSED"


def test_submit_behind_close_is_rejected_or_never_answered_as_accepted(hosted, worker):
    worker.greet()
    worker.send(
        ["close", "done", True], ["submit", str(uuid.uuid4()), 1, 1, "add", "application/json", b"[1]", None, 0.0, {}]
    )
    assert hosted.ended() == "CLOSED"
    assert not [message for message in worker.inbox if message[0] == "accepted"]


def test_authority_runs_out_without_an_echo_and_nothing_is_reported_then(hosted, worker, marks):
    worker.greet()
    execution = worker.submit("hold", marks)
    started(marks)
    hosted.ahead = 7.5
    worker.expect("heartbeat")
    hosted.ahead = 9
    assert hosted.ended() == "AUTHORITY_EXPIRED"
    release(marks)
    assert not [message for message in worker.inbox if message[:2] == ["result", execution]]


def test_authority_lasts_from_the_echoed_tick_not_from_its_arrival(hosted, worker):
    tick = worker.greet().tick
    hosted.ahead = 6
    worker.expect("heartbeat")
    worker.say(["authority", tick + 5.5])
    worker.run("add", [1])
    hosted.ahead = 13
    worker.run("add", [1])
    hosted.ahead = 14
    assert hosted.ended() == "AUTHORITY_EXPIRED"


@pytest.mark.parametrize("tick", [1e12, float("nan"), float("inf")])
def test_authority_ignores_a_tick_that_was_never_sent(hosted, worker, tick):
    worker.greet()
    worker.say(["authority", tick])
    worker.run("add", [1])
    hosted.ahead = 8.5
    assert hosted.ended() == "AUTHORITY_EXPIRED"


def test_authority_begins_with_the_first_welcome_only(hosted, worker):
    hosted.ahead = 20
    worker.greet()
    hosted.ahead = 26
    worker.greet()
    hosted.ahead = 29
    assert hosted.ended() == "AUTHORITY_EXPIRED"


def test_many_results_arrive_in_few_frames(worker):
    worker.greet()
    for index in range(2000):
        worker.submit("add", [index])
    results = [worker.expect("result") for _ in range(2000)]
    assert len({result[1] for result in results}) == 2000
    assert len(worker.frames) < 2000
    numbers = [frame[2] for frame in worker.frames if frame[2]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_without_ray_only_an_async_task_hears_of_its_timeout(worker, marks):
    worker.greet()
    told = worker.submit("hold_async", [marks[0]], timeout=(0.2, 0.0))
    error = worker.result(told)["error"]
    assert (error["code"], error["type"]) == ("Timeout", "rayferry.errors.SoftTimeout")
    deaf = worker.submit("hold", marks, timeout=(0.05, 0.0))
    started(marks)
    until("its timeout is over and it goes on", lambda: worker.quiet(0.3))
    release(marks)
    assert worker.result(deaf)["decoded"] == "released"


@pytest.mark.parametrize("task", ["ask", "ask_async"])
def test_what_a_task_asks_for_is_in_its_result(worker, task):
    worker.greet()
    results = [worker.run(task, [what]) for what in ("retry", "no retry", "snooze")]
    assert [each["outcome"] for each in results] == ["FAILED", "FAILED", "SNOOZED"]
    assert [tuple(each["again"].values()) for each in results] == [(True, 2.5), (False, None), (True, 30.0)]
    assert worker.run("fail")["again"] is None
