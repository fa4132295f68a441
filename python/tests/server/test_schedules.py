"""Random schedules of send, lose, delay, repeat, crash, resume and adopt, played beside a model of the session."""

import pytest
from effort import rounds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model.world import World

# Those that make something happen come up more often than those that break something.
STEPS = [
    *["enqueue", "claim", "begin", "end", "record"] * 6,
    *["up", "turn", "down", "flow", "flow"] * 6,
    *["cancel", "withdraw", "submit_again", "chatter", "hold", "sweep", "wait", "adopt"] * 2,
    *["repeat", "swap", "lose", "break_off", "connect", "connect"] * 3,
    *["repeat", "swap", "lose", "submit_again", "withdraw"] * 3,
    *["notice", "fail_over", "crash_worker", "oust_worker", "crash_server", "requeue"],
]
SCHEDULE = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 999)), min_size=20, max_size=200)
PLAYED = settings(deadline=None, suppress_health_check=list(HealthCheck))


def play(schedule):
    world = World()
    for step, number in schedule:
        getattr(world, step)(number)
        world.check()
    world.come_to_rest()


@settings(PLAYED, max_examples=rounds(1_500, brief=150))
@given(SCHEDULE)
def test_every_execution_is_recorded_once_and_no_two_attempts_live_whatever_happens(schedule):
    play(schedule)


@pytest.mark.long
@settings(PLAYED, max_examples=60_000)
@given(SCHEDULE)
def test_the_same_over_many_more_schedules(schedule):
    play(schedule)
