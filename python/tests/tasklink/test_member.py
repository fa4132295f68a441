"""Interrupts hit the current attempt's own code, or nothing."""

import asyncio
import importlib
import signal
import sys
import threading
import time

import pytest
from support import until

from rayferry.errors import SoftTimeout
from rayferry.member import SIGNAL, Interrupts, Member


@pytest.fixture
def interrupts():
    # Python's own: a run in the background is started with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts = Interrupts()
    interrupts.install()
    yield interrupts
    interrupts.uninstall()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def member(interrupts):
    interrupts.current = Member("e", 1, 1)
    return interrupts.current


def soon(member, kind, times=1000):
    """Ask from another thread, and tell the main thread until it has heard, as a link's control thread does."""

    def ask():
        until("it is inside", lambda: member._inside)
        member.ask(kind)
        for _ in range(times):
            if member.must_be_told:
                signal.pthread_kill(threading.main_thread().ident, SIGNAL)
            time.sleep(0.002)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()


@pytest.mark.parametrize(("kind", "error"), [("cancel", KeyboardInterrupt), ("timeout", SoftTimeout)])
def test_sleeping_body_is_interrupted(member, kind, error):
    began = time.monotonic()
    soon(member, kind)
    with pytest.raises(error):
        member.run(lambda: time.sleep(30))
    assert time.monotonic() - began < 5
    assert member.cancelled == (kind == "cancel")


@pytest.mark.parametrize(("kind", "error"), [("cancel", KeyboardInterrupt), ("timeout", SoftTimeout)])
def test_async_body_sees_a_cancellation_and_its_attempt_an_interrupt(member, kind, error):
    seen = []

    async def body():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cleaned up")
            raise

    soon(member, kind)
    with pytest.raises(error):
        member.run_async(body())
    assert seen == ["cleaned up"]


def test_async_body_that_swallows_the_cancellation_is_what_it_returns(member):
    async def body():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "swallowed"

    soon(member, "cancel")
    assert member.run_async(body()) == "swallowed"


def test_cancel_in_the_last_step_of_an_async_body_does_not_undo_its_return(member):
    async def body():
        member.ask("cancel")
        member.deliver(sys._getframe())
        return "returned"

    assert member.run_async(body()) == "returned"


def test_nothing_is_raised_in_our_own_lines_nor_outside_of_the_body(member):
    own = {}
    exec(compile("import sys\nframe = sys._getframe()", Member.run.__code__.co_filename, "exec"), own)

    def body():
        member.ask("cancel")
        member.deliver(own["frame"])
        return member.must_be_told

    assert member.run(body)
    member.deliver(sys._getframe())
    with pytest.raises(KeyboardInterrupt):
        member.run(lambda: pytest.fail("it began"))
    assert not member.run(lambda: member.must_be_told)


@pytest.mark.parametrize(("kind", "error"), [("cancel", KeyboardInterrupt), ("timeout", SoftTimeout)])
@pytest.mark.parametrize("kept", ["plain", "async"])
def test_interrupt_waits_until_an_import_is_done(member, tmp_path, monkeypatch, kind, error, kept):
    """Torn, the module would have kept what its `except` made of that, for as long as the process lives."""
    module = f"imported_{kept}_{kind}"
    (tmp_path / f"{module}.py").write_text(
        "import sys, time\n"
        "deliver = sys.modules['__main__'].deliver\n"
        "try:\n    deliver()\n    whole = True\nexcept BaseException:\n    whole = False\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "deliver", lambda: signal.raise_signal(SIGNAL), raising=False)
    begun = []

    async def asynchronous():
        begun.append("it")

    def imported():
        member.ask(kind)
        return importlib.import_module(module)

    assert member.run(imported).whole
    with pytest.raises(error):
        member.run_async(asynchronous()) if kept == "async" else member.run(begun.append, "it")
    assert begun == []


def test_body_that_imports_is_interrupted_after_the_import(member, tmp_path, monkeypatch):
    (tmp_path / "imported_by_a_body.py").write_text(
        f"import signal\nsignal.raise_signal({int(SIGNAL)})\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def body():
        member.ask("cancel")
        importlib.import_module("imported_by_a_body")
        signal.raise_signal(SIGNAL)
        pytest.fail("it went on")

    with pytest.raises(KeyboardInterrupt):
        member.run(body)
    assert sys.modules["imported_by_a_body"].whole


def test_second_cancel_and_late_timeout_change_nothing(member):
    member.ask("cancel")
    with pytest.raises(KeyboardInterrupt):
        member.run(lambda: member.deliver(sys._getframe()))
    member.ask("cancel")
    member.ask("timeout")
    member.run(lambda: member.deliver(sys._getframe()))


def test_rays_interrupt_does_nothing_while_ours_are_installed(interrupts):
    signal.raise_signal(signal.SIGINT)
    interrupts.current = member = Member("e", 1, 1)
    member.run(lambda: signal.raise_signal(signal.SIGINT))
    assert not member.cancelled
    interrupts.uninstall()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
