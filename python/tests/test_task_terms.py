import http.client

import msgspec
import pytest

from rayferry import exponential, task
from rayferry.errors import TaskDefinitionError
from rayferry.registry import TaskEntry, describe
from rayferry.task import declared


class OwnError(Exception):
    pass


@pytest.fixture(autouse=True)
def _forget():
    before = len(declared)
    yield
    del declared[before:]


def entry(**options):
    """As the registry message has it, after a way over the wire."""

    @task(**options)
    def some(): ...

    data = msgspec.msgpack.encode(describe(declared[-1]))
    assert msgspec.msgpack.encode(msgspec.msgpack.decode(data, type=TaskEntry)) == data
    return msgspec.msgpack.decode(data)


def test_task_that_says_nothing_leaves_all_of_it_to_the_worker():
    terms = {"max_attempts": None, "retry": None, "timeout_seconds": None, "queue_timeout_seconds": None}
    assert terms.items() <= entry().items()


def test_everything_said_is_in_the_registry():
    said = entry(
        max_attempts=5,
        backoff=2,
        max_delay=600,
        jitter=False,
        retry_on=(ConnectionError, "module.Class", OwnError),
        never_retry_on=(http.client.BadStatusLine,),
        losses=0,
        timeout=60,
        queue_timeout=0.5,
    )
    assert said["retry"] == {
        "backoff": {"kind": "fixed", "seconds": 2.0},
        "max_seconds": 600.0,
        "jitter": False,
        "on": ["builtins.ConnectionError", "module.Class", f"{__name__}.OwnError"],
        "never_on": ["http.client.BadStatusLine"],
        "losses": 0,
    }
    assert (said["max_attempts"], said["timeout_seconds"], said["queue_timeout_seconds"]) == (5, 60.0, 0.5)


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({"backoff": 0}, {"backoff": {"kind": "fixed", "seconds": 0.0}}),
        ({"backoff": [1, 10, 60.5]}, {"backoff": {"kind": "list", "seconds": [1.0, 10.0, 60.5]}}),
        ({"backoff": (1,)}, {"backoff": {"kind": "list", "seconds": [1.0]}}),
        ({"backoff": exponential()}, {"backoff": {"kind": "exponential", "seconds": 1.0, "factor": 2.0}}),
        ({"backoff": exponential(0.5, factor=3)}, {"backoff": {"kind": "exponential", "seconds": 0.5, "factor": 3.0}}),
        ({"jitter": True}, {"jitter": True}),
        ({"retry_on": ()}, {"on": []}),
        ({"retry_on": ConnectionError}, {"on": ["builtins.ConnectionError"]}),
        ({"retry_on": "ConnectionError"}, {"on": ["ConnectionError"]}),
        ({"never_retry_on": "module.Class"}, {"never_on": ["module.Class"]}),
        ({"retry_on": {ValueError, KeyError, "a.B"}}, {"on": ["a.B", "builtins.KeyError", "builtins.ValueError"]}),
        ({"max_attempts": 3, "backoff": None}, None),
    ],
)
def test_policy_has_only_what_was_said(options, policy):
    assert entry(**options)["retry"] == policy


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_attempt": 1}, "Did you mean 'max_attempts'?"),
        ({"max_attempts": 0}, "'max_attempts' as a whole number, 1 or more, got 0."),
        ({"max_attempts": True}, "got True"),
        ({"max_attempts": 2.0}, "got 2.0"),
        ({"max_attempts": 2**31}, "'max_attempts'"),
        ({"losses": -1}, "'losses' as a whole number, 0 or more, got -1."),
        ({"backoff": "1"}, "rayferry.exponential(first, factor), got '1'."),
        ({"backoff": True}, "'backoff'"),
        ({"backoff": exponential}, "'backoff'"),
        ({"backoff": -1}, "'backoff' as a number of seconds, 0 or more"),
        ({"backoff": float("nan")}, "'backoff'"),
        ({"backoff": float("inf")}, "'backoff'"),
        ({"backoff": []}, "1 to 1,000 numbers of seconds, got 0."),
        ({"backoff": [1, None]}, "got None."),
        ({"max_delay": "1"}, "'max_delay'"),
        ({"max_delay": 1e10}, "at most 1,000,000,000, got 10000000000.0."),
        ({"jitter": 1}, "'jitter' as True or False, got 1."),
        ({"retry_on": 5}, "'retry_on' as exception classes or their names"),
        ({"retry_on": [int]}, "got <class 'int'>."),
        ({"retry_on": ValueError("an instance")}, "got ValueError('an instance')."),
        ({"never_retry_on": ["a\0b"]}, "'never_retry_on'"),
        ({"never_retry_on": [" "]}, "got ' '."),
        ({"retry_on": "ValueError, KeyError"}, "got 'ValueError, KeyError'."),
        ({"retry_on": "ValueError "}, "got 'ValueError '."),
        ({"timeout": 0}, "'timeout' as a number of seconds, more than 0"),
        ({"timeout": float("inf")}, "'timeout'"),
        ({"timeout": 1.1e9}, "at most 1,000,000,000, got 1100000000.0."),
        ({"timeout": 10**400}, "'timeout' as a number of seconds, more than 0"),
        ({"queue_timeout": -3}, "'queue_timeout'"),
        ({"backoff": 10**400}, "'backoff'"),
        ({"num_cpus": 10**400}, "'num_cpus'"),
    ],
)
def test_bad_option_is_refused_where_it_is_written(options, says):
    with pytest.raises(TaskDefinitionError) as caught:
        task(**options)
    assert says in str(caught.value)
    assert not declared or declared[-1].module != __name__


@pytest.mark.parametrize(
    ("arguments", "says"), [((-1,), "'first'"), ((True,), "'first'"), ((1, 0.5), "'factor'"), ((1, "2"), "'factor'")]
)
def test_exponential_refuses_what_is_none(arguments, says):
    with pytest.raises(TaskDefinitionError, match=says):
        exponential(*arguments)
