"""A process keeps its attempt's timeout by itself."""

import time

import pytest
from effort import rounds
from support import alive, until

from rayferry.tasklink.hub import TaskHub
from tests.tasklink.own import Own
from tests.tasklink.peers import Heard, path_of, said, short_folder

SOFT = "rayferry.errors.SoftTimeout"


@pytest.fixture
def hub():
    with short_folder() as folder:
        hub = TaskHub(said([]), ipc=path_of(folder), tcp_host=None, node_id="node")
        hub.grant(60)
        yield hub
        hub.close()


@pytest.mark.parametrize(
    ("task", "end"),
    [
        ("clean_up", 'SUCCEEDED "cleaned up"'),
        ("rest", "TIMED_OUT  Timeout"),
        ("rest_async", "TIMED_OUT  Timeout"),
    ],
)
def test_task_is_interrupted_at_its_timeout_and_may_clean_up(hub, task, end):
    with Own(hub, task, timeout=(0.5, 60)) as own:
        assert own.ends()[:2] == (0, end)


@pytest.mark.parametrize("task", ["rest", "rest_async"])
def test_error_says_where_it_was_interrupted_and_of_which_timeout(hub, task):
    with Own(hub, task, timeout=(0.3, 60)) as own:
        outcome = own.ended()
        assert (outcome.ending, outcome.error.code, outcome.error.type) == ("TIMED_OUT", "Timeout", SOFT)
        assert outcome.error.message == "The task ran longer than its timeout of 0.3 s."
        assert "link_tasks.py" in outcome.error.traceback
        assert 0.3 <= outcome.run_seconds < 1.3


MODULE = """import time
from pathlib import Path
from rayferry import task

try:
    time.sleep({seconds})
    whole = True
except BaseException:
    whole = False

@task(name="slow_to_import")
def slow_to_import():
    return whole
"""


def test_import_of_its_module_counts_and_is_not_torn(hub, tmp_path, monkeypatch):
    """The next attempt in that process finds the module as it should be."""
    (tmp_path / "slow_to_import.py").write_text(MODULE.format(seconds=1))
    monkeypatch.setenv("LINK_TASKS_MODULE", "slow_to_import")
    monkeypatch.setenv("LINK_TASKS_FOLDER", str(tmp_path))
    with Own(hub, "slow_to_import", attempts=2, timeout=(0.3, 60)) as own:
        status, out, _ = own.ends(20)
    assert (status, out.splitlines()) == (0, ["TIMED_OUT  Timeout", "SUCCEEDED true"])


def test_import_that_outlasts_the_grace_ends_with_its_process(hub, tmp_path):
    (tmp_path / "imported_for_ever.py").write_text(MODULE.format(seconds=60))
    with Own(hub, "import_for_ever", str(tmp_path), timeout=(0.3, 0.3)) as own:
        status, _, err = own.ends()
        assert status == 73
        assert "and was killed 0.3 s after the interrupt." in err
        until("it said why", lambda: own.heard.of("leaving") == [("leaving", "timeout")])


def test_deaf_process_ends_itself_and_its_children_when_the_grace_is_over(hub, tmp_path):
    with Own(hub, "parent", str(tmp_path / "pids"), timeout=(0.3, 0.4)) as own:
        read = lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text()  # noqa: E731
        pids = until("its child", read, 20)
        status, _, err = own.ends()
        assert status == 73
        assert f"execution {own.execution} (fence 1): The task ran longer than its timeout of 0.3 s" in err
        assert "and was killed 0.4 s after the interrupt." in err
        until("it said why", lambda: own.heard.of("leaving") == [("leaving", "timeout")])
        until("its child is gone", lambda: not any(alive(int(pid)) for pid in pids.split()))


def test_process_that_could_not_end_itself_in_time_still_ends_its_children(hub, tmp_path):
    with Own(hub, "parent_that_holds", str(tmp_path / "pids"), 1.2, timeout=(0.3, 0.2)) as own:
        assert own.ends()[0] == 73
    pids = (tmp_path / "pids").read_text().split()
    until("its child is gone", lambda: not any(alive(int(pid)) for pid in pids))


def test_timeout_without_a_grace_kills_at_once(hub):
    with Own(hub, "clean_up", timeout=(0.3, 0)) as own:
        status, out, err = own.ends()
        assert (status, out) == (73, "")
        assert "ran longer than its timeout of 0.3 s, and was killed at once." in err


def test_process_that_holds_the_interpreter_ends_all_the_same(hub, tmp_path):
    with Own(hub, "hold_interpreter", str(tmp_path / "holds"), timeout=(0.3, 0.3)) as own:
        until("it holds it", (tmp_path / "holds").exists, 20)
        began = time.monotonic()
        status, _, err = own.ends()
        assert status == 1
        assert time.monotonic() - began < 0.3 + 0.3 + 1.5
        # For whoever looks for the reason.
        assert "in hold_interpreter" in err


def test_it_is_known_to_have_begun_before_its_first_statement(hub):
    """Or nobody could tell its death from a crash."""
    heard = {fence: Heard() for fence in range(1, 6)}
    with Own(hub, "hold_when_warm", attempts=5, listener=heard.get, timeout=(0.3, 0.3)) as own:
        assert own.ends()[0] == 1
    until("it was said", lambda: heard[5].of("begun"), 5)


def test_longest_timeout_that_can_be_asked_for_can_be_waited_for(hub):
    with Own(hub, "rest", 0.2, timeout=(1e9, 1e9)) as own:
        assert own.ends()[:2] == (0, 'SUCCEEDED "rested"')


def test_timeout_is_kept_without_a_server(hub):
    with Own(hub, "rest", timeout=(1, 60)) as own:
        own.begun()
        hub.close()
        assert own.ends()[:2] == (0, "TIMED_OUT  Timeout")


def test_timeout_hits_its_own_attempt_or_nothing(hub):
    """Ends and timeouts that fall together: whatever is said, it isn't said of the next attempt."""
    count = rounds(300, 60)
    with Own(hub, "brief", 0.02, attempts=count, timeout=(0.01, 60)) as own:
        status, out, _ = own.ends(60)
    lines = [line.strip() for line in out.split("\n")]
    assert (status, len(lines)) == (0, count)
    assert set(lines) == {'SUCCEEDED "finished"', "TIMED_OUT  Timeout"}
