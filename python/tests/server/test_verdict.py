import pytest

from rayferry.outcome import Outcome, failed
from rayferry.server.verdict import verdict
from rayferry.timeouts import Timeout


@pytest.mark.parametrize(
    ("ending", "code", "asked", "killed", "word", "says"),
    [
        ("SUCCEEDED", None, False, False, "SUCCEEDED", None),
        ("SUCCEEDED", None, True, True, "SUCCEEDED", None),
        ("FAILED", "TaskError", True, False, "FAILED", "TaskError"),
        ("INTERRUPTED", "TaskError", True, False, "CANCELLED", "Cancelled"),
        ("INTERRUPTED", "TaskError", False, False, "FAILED", "TaskError"),
        ("CANCELLED", "Cancelled", True, False, "CANCELLED", "Cancelled"),
        ("CANCELLED", "Cancelled", False, False, "FAILED", "RayError"),
        ("LOST", "ProcessCrashed", True, True, "CANCELLED", "Cancelled"),
        ("LOST", "ProcessCrashed", True, False, "LOST", "ProcessCrashed"),
        ("LOST", "NodeLost", True, True, "LOST", "NodeLost"),
        ("SNOOZED", "TaskError", False, False, "SNOOZED", "TaskError"),
        ("SNOOZED", "TaskError", True, False, "SNOOZED", "TaskError"),
    ],
)
def test_verdict_joins_ending_and_cancel(ending, code, asked, killed, word, says):
    outcome = failed(code, "m", ending) if code else Outcome(ending=ending)
    got, error = verdict(outcome, asked, killed)
    assert (got, error and error.code) == (word, says)


@pytest.mark.parametrize(
    ("ending", "code", "asked", "killed", "word", "says"),
    [
        ("SUCCEEDED", None, False, True, "SUCCEEDED", None),
        ("FAILED", "TaskError", False, True, "FAILED", "TaskError"),
        ("FAILED", "OutOfMemory", False, True, "FAILED", "OutOfMemory"),
        ("TIMED_OUT", "Timeout", False, False, "TIMED_OUT", "Timeout"),
        ("TIMED_OUT", "Timeout", True, False, "CANCELLED", "Cancelled"),
        ("LOST", "ProcessCrashed", False, False, "TIMED_OUT", "Timeout"),
        ("LOST", "ProcessCrashed", False, True, "TIMED_OUT", "Timeout"),
        ("LOST", "ProcessCrashed", True, False, "CANCELLED", "Cancelled"),
        ("LOST", "NodeLost", False, True, "LOST", "NodeLost"),
        ("CANCELLED", "Cancelled", False, True, "TIMED_OUT", "Timeout"),
        ("CANCELLED", "Cancelled", False, False, "FAILED", "RayError"),
        ("INTERRUPTED", "TaskError", False, False, "FAILED", "TaskError"),
    ],
)
def test_verdict_of_one_whose_timeout_and_grace_were_over(ending, code, asked, killed, word, says):
    outcome = failed(code, "m", ending) if code else Outcome(ending=ending)
    got, error = verdict(outcome, asked, killed, overran=Timeout(2.0, 1.5).killed())
    assert (got, error and error.code) == (word, says)


@pytest.mark.parametrize("ending", ["INTERRUPTED", "CANCELLED"])
def test_verdict_of_one_that_was_taken_back_too_late_is_lost(ending):
    word, error = verdict(failed("Cancelled", "m", ending), cancel_asked=False, killed=False, withdraw_asked=True)
    assert (word, error and error.code) == ("LOST", "ServerStopped")
