"""Sessions over real ZeroMQ: resume, repetition, gaps, credit, adoption, and who may do what."""

import resource
import uuid
from pathlib import Path

import pytest
from support import Worker, until

from rayferry.log import no_log
from rayferry.server.results import Results


def release(marks):
    Path(marks[1]).touch()


def drain(worker, kind, count, seconds=10):
    return [worker.expect(kind, seconds=seconds) for _ in range(count)]


def test_resume_sends_again_what_was_not_received_and_only_that(worker):
    session = worker.greet().session
    first = worker.run("add", [1])["execution"]
    seen = worker.received
    worker.auto_ack = False
    second = worker.run("add", [2])["execution"]
    # As if the link had died behind `seen`.
    worker.inbox.clear()
    welcome = worker.greet(resume=[session, seen])
    assert (welcome.resumed, welcome.session, welcome.received) == (True, session, worker.sent)
    assert worker.result(second)["decoded"] == 4
    assert worker.run("add", [3])["decoded"] == 5
    assert not [message for message in worker.inbox if message[0] == "result" and message[1] == first]
    assert not [message for message in worker.inbox if message[0] in ("registry", "inventory")]


def test_resume_over_a_new_connection(hosted, worker):
    worker.auto_ack = False
    session = worker.greet().session
    execution = worker.run("add", [1])["execution"]
    with Worker(hosted.endpoint, worker.incarnation) as again:
        again.sent, again.hellos = worker.sent, 7
        welcome = again.greet(resume=[session, 0])
        assert (welcome.resumed, welcome.hello) == (True, 8)
        assert again.result(execution)["decoded"] == 3
        assert again.run("add", [2])["decoded"] == 4


@pytest.mark.parametrize("resume", [["another", 1], ["{session}", 99]])
def test_resume_of_what_the_server_does_not_have_begins_anew(worker, resume):
    session = worker.greet().session
    execution = worker.run("add", [1])["execution"]
    welcome = worker.greet(resume=[resume[0].format(session=session), resume[1]])
    assert (welcome.resumed, welcome.received) == (False, 0)
    assert welcome.session != session
    assert [entry[0] for entry in worker.inventory] == [execution]
    assert worker.run("add", [1])["decoded"] == 3


def test_frame_that_comes_again_is_dropped_in_silence(worker):
    worker.greet()
    execution = str(uuid.uuid4())
    submit = ["submit", execution, 1, 1, "add", "application/json", b"[1]", None, 0.0, {}]
    worker.send(submit)
    worker.result(execution)
    worker.send(["recorded", [[execution, 1]]])
    worker.send(submit, seq=1)
    worker.sent -= 1
    # Acted upon, it would have run once more.
    worker.run("add", [2])
    worker.greet()
    assert execution not in [entry[0] for entry in worker.inventory]


def test_gap_is_told_and_what_lies_behind_it_is_not_acted_upon(worker):
    session = worker.greet().session
    worker.run("add", [1])
    worker.send(["close", "behind a gap", True], seq=worker.sent + 5)
    worker.sent -= 1
    assert worker.expect("gap") == ["gap", worker.sent]
    assert worker.greet(resume=[session, worker.received]).resumed
    assert worker.run("add", [2])["decoded"] == 4


def test_gaps_are_told_ten_times_a_second_at_most(hosted, worker):
    worker.greet()
    for _ in range(200):
        worker.send(["retire", "x"], seq=1_000)
    worker.sent = 0
    worker.run("add", [1])
    assert 1 <= len([message for message in worker.inbox if message[0] == "gap"]) <= 5


def test_credit_bounds_what_is_outstanding_and_an_ack_lets_the_rest_go(worker):
    worker.greet(credit={"messages": 10, "bytes": 1 << 20})
    worker.auto_ack = False
    for index in range(20):
        worker.submit("add", [index])
    until("the server stands still", lambda: worker.quiet(0.3), 10)
    numbered = [message for message in worker.inbox if message[0] in ("accepted", "started", "result")]
    assert 1 <= len(numbered) <= 10
    worker.auto_ack = True
    worker.say()
    results = {worker.expect("result")[1] for _ in range(20 - sum(m[0] == "result" for m in numbered))}
    assert len(results) + sum(m[0] == "result" for m in worker.inbox) >= 10


def test_one_frame_larger_than_the_credit_goes_out_when_nothing_is_outstanding(worker):
    worker.greet(credit={"messages": 1, "bytes": 1})
    assert worker.run("big", [500])["outcome"] == "SUCCEEDED"
    assert worker.run("big", [500])["outcome"] == "SUCCEEDED"


def test_ack_goes_out_by_itself_at_a_quarter_of_the_credit(worker):
    worker.greet()
    for index in range(60):
        worker.send(*[["discard", [[str(uuid.UUID(int=index)), 1]]] for _ in range(100)])
    until("an ack", lambda: worker.receive() or worker.acked >= 50, 5)


def test_drain_session_adopts_and_gets_results_but_cannot_submit(hosted, worker, marks):
    worker.greet()
    ended = worker.run("add", [1])["execution"]
    running = worker.submit("hold", marks)
    worker.expect("started", running)
    with Worker(hosted.endpoint) as other:
        other.greet(role="drain")
        phases = {entry[0]: entry[2:] for entry in other.inventory}
        assert phases == {ended: [worker.incarnation, "ENDED"], running: [worker.incarnation, "RUNNING"]}
        unknown = str(uuid.uuid4())
        other.send(["adopt", [[ended, 1], [running, 1], [unknown, 1]]])
        assert other.result(ended)["decoded"] == 3
        assert other.expect("rejected", unknown)[3] == "UNKNOWN_EXECUTION"
        assert other.expect("started", running)[3]["pid"] > 0
        # The old holder, should it wake.
        worker.send(["recorded", [[ended, 1]]], ["cancel", running, 1, 5.0], ["withdraw", running, 1])
        refused = drain(worker, "rejected", 3)
        assert {message[3] for message in refused} == {"NOT_HOLDER"}
        worker.submit("hold", marks, execution=running)
        assert worker.expect("rejected", running)[3] == "NOT_HOLDER"
        release(marks)
        assert other.result(running)["decoded"] == "released"
        assert not [message for message in worker.inbox if message[:2] == ["result", running]]
        other.send(["submit", str(uuid.uuid4()), 1, 1, "add", "application/json", b"[1]", None, 0.0, {}])
        assert other.expect("fault")[1] == "BAD_STATE"
        other.send(["close", "mine to say?", True])
        assert other.expect("fault")[1] == "BAD_STATE"


def test_submit_that_comes_after_the_server_said_it_never_will_run_it_is_rejected(hosted, worker, marks):
    worker.greet()
    running, withdrawn = worker.submit("hold", marks), worker.submit("add", [1])
    worker.expect("started", running)
    worker.send(["withdraw", withdrawn, 1])
    assert worker.expect("rejected", withdrawn)[3] == "WITHDRAWN"
    unknown, discarded = str(uuid.uuid4()), str(uuid.uuid4())
    worker.send(["adopt", [[unknown, 7]]], ["discard", [[discarded, 7]]])
    assert worker.expect("rejected", unknown)[3] == "UNKNOWN_EXECUTION"
    # Each of them was still under way, say.
    for execution, fence in ((withdrawn, 1), (unknown, 7), (unknown, 6), (discarded, 7)):
        worker.submit("add", [1], fence=fence, execution=execution)
        assert worker.expect("rejected", execution)[2:4] == [fence, "STALE_FENCE"]
    worker.submit("add", [1], fence=8, execution=unknown)
    release(marks)
    assert worker.result(unknown)["decoded"] == 3


def test_submit_of_a_former_holder_runs_nothing_again_that_its_successor_recorded(hosted, worker):
    worker.greet()
    execution = worker.run("add", [1])["execution"]
    with Worker(hosted.endpoint) as successor:
        successor.greet(role="drain")
        successor.send(["adopt", [[execution, 1]]])
        successor.result(execution)
        successor.send(["recorded", [[execution, 1]]])
        successor.greet(role="drain")
        worker.submit("add", [1], execution=execution)
        assert worker.expect("rejected", execution)[3] == "STALE_FENCE"


def test_hello_that_replaces_a_dead_incarnation_need_not_wait(hosted, worker):
    worker.greet()
    execution = worker.run("add", [1])["execution"]
    with Worker(hosted.endpoint) as successor:
        successor.greet(replaces=[worker.incarnation])
        successor.send(["adopt", [[execution, 1]]])
        assert successor.result(execution)["decoded"] == 3
        assert successor.run("add", [2])["decoded"] == 4
        worker.send(["retire", "late"])
        assert worker.expect("fault")[1] == "NO_SESSION"


def test_discard_kills_and_forgets_without_an_answer(worker, marks):
    worker.greet()
    ended = worker.run("add", [1])["execution"]
    waiting_behind = worker.submit("hold", marks)
    worker.expect("started", waiting_behind)
    queued = worker.submit("add", [1])
    worker.inbox.clear()
    worker.send(["discard", [[ended, 1], [queued, 1], [waiting_behind, 1]]])
    release(marks)
    worker.run("add", [2])
    worker.greet()
    assert [entry[0] for entry in worker.inventory if entry[0] in (ended, queued, waiting_behind)] == []
    assert [m for m in worker.inbox if m[0] == "result" and m[1] in (ended, queued, waiting_behind)] == []


def test_withdraw_gives_back_what_has_not_started_and_nothing_else(worker, marks):
    worker.greet()
    running, queued = worker.submit("hold", marks), worker.submit("add", [1])
    worker.expect("started", running)
    worker.send(["withdraw", running, 1], ["withdraw", queued, 1])
    assert worker.expect("rejected", queued)[3] == "WITHDRAWN"
    release(marks)
    assert worker.result(running)["decoded"] == "released"
    worker.greet()
    assert [entry[0] for entry in worker.inventory] == [running]


def test_started_is_told_before_the_result_of_what_takes_its_time(worker, marks):
    worker.greet()
    execution = worker.submit("hold", marks)
    run = worker.expect("started", execution)[3]
    assert run["pid"] > 0
    assert (run["run_seconds"], run["age_seconds"] >= 0) == (None, True)
    release(marks)
    assert worker.result(execution)["outcome"] == "SUCCEEDED"


def test_close_without_stop_leaves_the_server_and_what_it_holds(hosted, worker):
    worker.greet()
    execution = worker.run("add", [1])["execution"]
    worker.send(["close", "restarting", False])
    until("the session has ended", lambda: not hosted.server.sessions)
    with Worker(hosted.endpoint) as successor:
        successor.greet()
        assert [entry[:3] for entry in successor.inventory] == [[execution, 1, worker.incarnation]]


def test_retire_refuses_new_work_and_ends_when_all_is_recorded(hosted, worker, marks):
    worker.greet()
    execution = worker.submit("hold", marks)
    worker.expect("started", execution)
    worker.send(["retire", "a newer generation is there"])
    refused = worker.submit("add", [1])
    assert worker.expect("rejected", refused)[3] == "ENDING"
    release(marks)
    worker.result(execution)
    worker.expect("heartbeat")
    worker.send(["recorded", [[execution, 1]]])
    assert hosted.ended() == "RETIRED"


def test_hello_of_another_database_is_refused(hosted, worker):
    worker.greet(database={"system_id": "1", "timeline": 1})
    with Worker(hosted.endpoint) as other:
        other.hello(role="drain", database={"system_id": "2", "timeline": 1})
        _, _, code, message = other.expect("refused")
        assert code == "WRONG_DATABASE"
        assert "cluster 2" in message


def test_resume_after_a_failover_begins_anew_so_that_all_is_compared(worker):
    session = worker.greet(database={"system_id": "1", "timeline": 1}).session
    assert worker.greet(database={"system_id": "1", "timeline": 1}, resume=[session, worker.received]).resumed
    welcome = worker.greet(database={"system_id": "1", "timeline": 2}, resume=[session, worker.received])
    assert not welcome.resumed


def test_results_beyond_the_memory_set_aside_are_spilled_and_come_back_whole(make_hosted):
    hosted = make_hosted(memory_bytes=1_000)
    with Worker(hosted.endpoint) as worker:
        worker.greet(credit={"messages": 1, "bytes": 1})
        worker.auto_ack = False
        ids = [worker.submit("big", [400]) for _ in range(10)]
        until("some are spilled", lambda: worker.receive() or hosted.results.in_file > 0, 10)
        until("no more work is wanted", lambda: worker.expect("heartbeat")[5] is False, 5)
        worker.auto_ack = True
        worker.say()
        for execution in ids:
            assert len(worker.result(execution)["decoded"]) == 400
            worker.say()
        worker.send(["recorded", [[execution, 1] for execution in ids]])
        until("there is room again", lambda: worker.expect("heartbeat")[5] is True, 5)
        assert hosted.results.total == 0


def test_results_that_cannot_be_spilled_stay_in_memory(tmp_path):
    said = []
    results = Results(lambda level, msg, **fields: said.append(level), 10, str(tmp_path / "not-there"))
    kept = results.keep(b"x" * 100)
    assert results.read(kept) == b"x" * 100
    assert said == ["error"]
    results.drop(kept)
    assert results.total == 0


def test_a_full_disk_costs_no_result_that_is_in_the_file_already():
    results = Results(no_log, memory_bytes=10)
    spilled = results.keep(b"x" * 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        in_memory = results.keep(b"y" * 1000)
        read = results.read(spilled)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read == b"x" * 1000
    assert in_memory.data == b"y" * 1000
    later = results.keep(b"z" * 1000)
    assert (later.data, results.read(later)) == (None, b"z" * 1000)
    for kept in (spilled, in_memory, later):
        results.drop(kept)
    assert results.total == 0


def test_silence_of_ten_seconds_detaches_and_the_next_frame_attaches_again(hosted, worker):
    hosted.server.authority.seconds = 100
    # No ack that is still under way may be heard after the leap.
    worker.auto_ack = False
    worker.greet()
    worker.expect("heartbeat")
    hosted.ahead = 11
    until("no more heartbeats come", lambda: worker.quiet(1.3, loose_too=True), 5)
    worker.say(["heartbeat", 0])
    worker.expect("heartbeat")
    execution = worker.submit("add", [1])
    assert worker.result(execution)["decoded"] == 3
