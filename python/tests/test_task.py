import pickle

import pytest
import sample_tasks

from rayferry import task
from rayferry.errors import TaskDefinitionError
from rayferry.task import declared


@pytest.fixture(autouse=True)
def _forget():
    before = len(declared)
    yield
    del declared[before:]


def test_bare_decorator_takes_the_function_name_and_defaults():
    @task
    def plain():
        return 1

    newest = declared[-1]
    assert plain() == 1
    assert newest.name == f"{__name__}.test_bare_decorator_takes_the_function_name_and_defaults.<locals>.plain"
    assert (newest.queue, newest.num_cpus) == ("default", 1.0)


def test_options_are_noted():
    @task(name="n", queue="gpu", num_cpus=0.5)
    async def other():
        return 1

    assert (declared[-1].name, declared[-1].queue, declared[-1].num_cpus) == ("n", "gpu", 0.5)


def test_task_stays_callable_and_picklable():
    assert sample_tasks.add(1) == 3
    assert pickle.loads(pickle.dumps(sample_tasks.add)) is sample_tasks.add


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"num_cpu": 1}, "no option 'num_cpu'. Did you mean 'num_cpus'?"),
        ({"zzz": 1}, "no option 'zzz'. Known options: name, queue, num_cpus, max_attempts,"),
        ({"name": ""}, "'name'"),
        ({"name": 5}, "'name'"),
        ({"queue": None}, "'queue'"),
        ({"queue": "a\0b"}, "'queue'"),
        ({"num_cpus": -1}, "'num_cpus'"),
        ({"num_cpus": True}, "'num_cpus'"),
        ({"num_cpus": float("nan")}, "'num_cpus'"),
        ({"num_cpus": "2"}, "'num_cpus'"),
    ],
)
def test_bad_option_is_refused_by_name(options, says):
    with pytest.raises(TaskDefinitionError) as caught:
        task(**options)
    assert says in str(caught.value)


@pytest.mark.parametrize("target", [len, object, "name"])
def test_what_is_not_a_plain_function_is_refused(target):
    with pytest.raises(TaskDefinitionError):
        task(target)


def test_generator_is_refused():
    def gives():
        yield 1

    with pytest.raises(TaskDefinitionError, match="yields"):
        task(gives)
