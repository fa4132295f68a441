import signal

import pytest

pytest.importorskip("ray")
from ray import exceptions
from ray._private.utils import DeferSigint

from rayferry.ray.connect import start_error
from rayferry.ray.failure import outcome_of

OBJECT = ("00" * 28, "owner", "site")


class Cancelled(exceptions.TaskCancelledError, exceptions.RayTaskError):
    def __init__(self):
        Exception.__init__(self, "both")

    def __str__(self):
        return "both"


@pytest.mark.parametrize(
    ("error", "ending", "code"),
    [
        (exceptions.TaskCancelledError(), "CANCELLED", "Cancelled"),
        (Cancelled(), "CANCELLED", "Cancelled"),
        (exceptions.WorkerCrashedError(), "LOST", "ProcessCrashed"),
        (exceptions.OutOfMemoryError("oom"), "FAILED", "OutOfMemory"),
        (exceptions.NodeDiedError("gone"), "LOST", "NodeLost"),
        (exceptions.LocalRayletDiedError(), "LOST", "NodeLost"),
        (exceptions.ObjectLostError(*OBJECT), "LOST", "NodeLost"),
        (exceptions.OwnerDiedError(*OBJECT), "LOST", "NodeLost"),
        (exceptions.RuntimeEnvSetupError("pip"), "FAILED", "RuntimeEnvFailed"),
        (exceptions.RaySystemError("no process"), "LOST", "RayError"),
        (exceptions.TaskUnschedulableError("no node"), "FAILED", "RayError"),
        (ValueError("odd"), "FAILED", "RayError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_what_ray_says_becomes_ending_and_code(error, ending, code):
    outcome = outcome_of(error)
    assert (outcome.ending, outcome.error.code) == (ending, code)
    assert outcome.error.message


def test_interrupt_in_a_process_that_ignores_them_is_a_cancel_before_the_begin():
    heeded = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(TypeError) as raised, DeferSigint():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, heeded)
    outcome = outcome_of(exceptions.RayTaskError("run_attempt", "traceback", raised.value, pid=1, ip="127.0.0.1"))
    assert outcome.ending == "CANCELLED"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.58.0"), "RAY_VERSION_MISMATCH"),
        (exceptions.AuthenticationError("no token"), "RAY_AUTH_FAILED"),
        (ConnectionError("Can't find a node"), "RAY_START_FAILED"),
    ],
)
def test_what_ray_init_raises_becomes_astart_error_with_a_remedy(error, code):
    start = start_error(error, "10.0.0.1:6379")
    assert start.code == code
    assert "10.0.0.1:6379" in start.message
    assert str(error) in start.message
