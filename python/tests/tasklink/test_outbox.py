from rayferry.tasklink.messages import Attached, Leaving, Log, Progress, Started
from rayferry.tasklink.outbox import MAX_MESSAGES, WINDOW, Outbox

ATTACHED = Attached(1, "w", "n", 1)


def log(outbox, count=1, text="x"):
    for _ in range(count):
        outbox.post_log("e", 1, "info", text)


def everything(outbox):
    return [message for _ in range(100) for message in outbox.take()]


def test_outbox_is_bounded_while_nothing_is_taken_and_its_results_pass_the_logs():
    outbox = Outbox()
    for _ in range(1000):
        outbox.post(Leaving("e", 1, "cancel"))
        outbox.post_log("e", 1, "info", "x" * 20_000)
        outbox.post_progress(Progress("e", 1, 1.0, None, None))
    assert len(outbox._urgent) == 256
    assert outbox._characters <= 1024 * 1024
    sent = [message for _ in range(20) for message in outbox.take()]
    # The window, and everything that has none.
    assert sum(isinstance(message, Log | Progress) for message in sent) == 16
    assert sum(isinstance(message, Leaving) for message in sent) == 256
    outbox.taken(16)
    assert len(outbox.take()) == 16


def test_what_was_logged_before_a_result_comes_before_it_unless_it_would_have_to_wait():
    outbox = Outbox()
    log(outbox, WINDOW + 1)
    outbox.post(Leaving("e", 1, "cancel"))
    kinds = [type(message) for message in everything(outbox)]
    assert kinds == [Log] * WINDOW + [Leaving]
    outbox.taken(1)
    assert [type(message) for message in everything(outbox)] == [Log]


def test_window_is_whole_again_after_each_attach_wherever_that_stands_among_the_logs():
    outbox, received = Outbox(), 0
    for _ in range(5):
        log(outbox, 8)
        outbox.post(ATTACHED)
        log(outbox, 4)
        for message in everything(outbox):
            # As the hub counts.
            received = 0 if isinstance(message, Attached) else received + 1
            outbox.taken(received)
    log(outbox, 2 * WINDOW)
    assert len(everything(outbox)) == WINDOW


def test_what_was_dropped_is_said_by_the_next_piece_or_at_the_end():
    outbox = Outbox()
    log(outbox, 200, "x" * 16_000)
    kept = outbox._characters // 16_000
    outbox.finish("e", 1)
    pieces = []
    while batch := outbox.take():
        pieces += batch
        outbox.taken(len(pieces))
    assert [piece.dropped for piece in pieces] == [0] * kept + [200 - kept]
    assert pieces[-1].level == "warn"


def test_progress_is_the_newest_now_and_then_and_at_the_end():
    outbox = Outbox()
    outbox.post_progress(Progress("e", 1, 1.0, None, None))
    assert [message.current for message in outbox.take()] == [1.0]
    for current in (2.0, 3.0):
        outbox.post_progress(Progress("e", 1, current, None, None))
    assert outbox.take() == []
    assert 0 < outbox.progress_due() <= 0.05
    outbox.finish("e", 1)
    assert [message.current for message in outbox.take()] == [3.0]
    assert outbox.progress_due() is None


def test_only_what_was_posted_last_can_be_taken_back():
    outbox, started = Outbox(), Started("e", 1, None)
    outbox.post(started)
    assert outbox.take_back(started)
    outbox.post(started)
    log(outbox)
    assert not outbox.take_back(started)
    assert [type(message) for message in everything(outbox)] == [Started, Log]
    assert not outbox.take_back(started)


def test_frame_carries_a_bounded_number():
    outbox = Outbox()
    for _ in range(100):
        outbox.post(ATTACHED)
    assert len(outbox.take()) == MAX_MESSAGES
