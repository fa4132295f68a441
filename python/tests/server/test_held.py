from rayferry.log import no_log
from rayferry.outcome import Outcome, failed
from rayferry.server.held import KILL_AGAIN_SECONDS, HeldAttempts
from rayferry.server.results import Results

RESULTS = Results(no_log)


def test_of_two_cancels_the_earlier_kill_counts_and_is_repeated_until_it_ends():
    held = HeldAttempts()
    one = held.add("e", 1, "holder")
    held.ask_cancel(one, 5, now=100)
    held.ask_cancel(one, 30, now=101)
    assert held.to_kill(104.9) == []
    assert held.to_kill(105) == [one]
    assert held.to_kill(105.1) == []
    assert held.to_kill(105 + KILL_AGAIN_SECONDS) == [one]
    held.end(one, failed("Cancelled", "m", "CANCELLED"), 108, RESULTS)
    assert held.to_kill(200) == []


def test_attempt_is_forgotten_once_and_the_others_of_its_execution_stay():
    held = HeldAttempts()
    held.add("e", 3, "holder")
    newer = held.add("e", 9, "holder")
    held.end(newer, Outcome(ending="SUCCEEDED"), 1, RESULTS)
    assert [each.fence for each in held.of("e")] == [3, 9]
    held.forget(newer)
    held.forget(newer)
    assert ([each.fence for each in held.of("e")], held.of("other")) == ([3], ())
    assert (held.running, held.ended) == (1, 0)
