from rayferry.outcome import Outcome, failed
from rayferry.server.held import KILL_AGAIN_SECONDS, HeldAttempts


def test_of_two_cancels_the_earlier_kill_counts_and_is_repeated_until_it_ends():
    held = HeldAttempts()
    one = held.add("e", 1)
    one.ask_cancel(5, now=100)
    one.ask_cancel(30, now=101)
    assert held.to_kill(104.9) == []
    assert held.to_kill(105) == [one]
    assert held.to_kill(105.1) == []
    assert held.to_kill(105 + KILL_AGAIN_SECONDS) == [one]
    one.end(failed("Cancelled", "m", "CANCELLED"), 108)
    assert held.to_kill(200) == []


def test_newest_fence_is_forgotten_with_its_attempt():
    held = HeldAttempts()
    held.add("e", 3)
    held.add("e", 9).end(Outcome(ending="SUCCEEDED"), 1)
    assert held.newest_fence("e") == 9
    assert [each.fence for each in held.older_running("e", 9)] == [3]
    held.forget("e", 9)
    held.forget("e", 9)
    assert (held.newest_fence("e"), held.newest_fence("other")) == (3, 0)
    assert (len(held.running()), len(held.ended())) == (1, 0)
