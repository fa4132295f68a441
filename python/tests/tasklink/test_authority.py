"""A grant counts from the tick that asked for it, whenever it is read."""

from rayferry.tasklink.authority import Granted, clock


def test_grant_that_was_long_under_way_has_run_out_when_it_is_read():
    granted = Granted()
    granted.take(clock() - 60, 8.0)
    assert granted.left() < 0
    assert not granted.wait(0)


def test_grant_counts_from_its_tick_and_the_newest_counts():
    granted = Granted()
    granted.take(clock() - 2, 8.0)
    assert 5.5 < granted.left() <= 6
    assert granted.wait(0)
    granted.take(clock(), 0.0)
    assert granted.left() <= 0


def test_tick_that_was_never_ours_grants_nothing():
    granted = Granted()
    for tick, seconds in ((clock() + 60, 8.0), (float("nan"), 8.0), (clock(), float("nan")), (clock(), -1.0)):
        granted.take(tick, seconds)
    assert granted.left() < 0
