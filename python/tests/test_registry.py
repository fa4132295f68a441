import sys

import msgspec
import pytest

from rayferry.registry import Registry, find_function, load_registry
from rayferry.task import declared


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of modules that this process forgets afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    modules, before = set(sys.modules), len(declared)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text("from rayferry import task\n" + text)

    yield write
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    del declared[before:]


def test_task_is_described_as_the_registry_message_says(project):
    project(rr_one='@task(queue="q")\nasync def f(a: int, /, b="x", *c, d: "list[int]", **e):\n    """Doc."""\n')
    (entry,) = load_registry(["rr_one"]).tasks
    assert (entry.name, entry.module, entry.qualname, entry.kind) == ("rr_one.f", "rr_one", "f", "async")
    assert (entry.queue, entry.num_cpus, entry.doc) == ("q", 1.0, "Doc.")
    assert entry.file.endswith("rr_one.py")
    assert [(p.name, p.kind, p.required, p.annotation, p.default) for p in entry.parameters] == [
        ("a", "positional_only", True, "int", None),
        ("b", "positional_or_keyword", False, None, "'x'"),
        ("c", "var_positional", False, None, None),
        ("d", "keyword_only", True, "list[int]", None),
        ("e", "var_keyword", False, None, None),
    ]


def test_module_that_fails_leaves_the_others_alone(project):
    project(
        rr_bad="@task\ndef half(): ...\ndef deep():\n    1 / 0\ndeep()\n",
        rr_exit="import sys\nsys.exit(1)\n",
        rr_good="@task\ndef f(): ...\n",
    )
    registry = load_registry(["rr_bad", "rr_exit", "rr_good"])
    assert [task.name for task in registry.tasks] == ["rr_good.f"]
    bad, leaves = registry.failures
    assert (bad.module, leaves.module) == ("rr_bad", "rr_exit")
    assert "ZeroDivisionError" in bad.message
    first_frame = bad.traceback.splitlines()[1]
    assert "rr_bad.py" in first_frame
    assert "registry.py" not in bad.traceback
    assert "SystemExit: 1" in leaves.message


def test_text_that_is_none_in_utf8_keeps_no_registry_from_being_sent(project):
    project(
        rr_odd='@task\ndef f(a: "\\udc80" = "\\udc80"):\n    "a lone surrogate: \\udc80, NUL: \\0"\n',
        rr_bad='raise ValueError("\\udc80")\n',
    )
    registry = load_registry(["rr_odd", "rr_bad"])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(registry), type=Registry) == registry
    assert registry.digest()
    assert registry.tasks[0].doc == r"a lone surrogate: \udc80, NUL: \0"
    assert r"\udc80" in registry.failures[0].message


def test_missing_module_is_named_with_where_it_was_looked_for(project, tmp_path):
    project(rr_needs="import rr_absent_dependency\n", rr_pack__in____init__="")
    first, second, third = load_registry(["rr_absent", "rr_needs", "rr_pack.absent"]).failures
    assert "no module 'rr_absent'" in first.message
    assert str(tmp_path) in first.message
    assert first.traceback is None
    assert "rr_absent_dependency" in second.message
    assert "rr_needs.py" in second.traceback
    assert "no module 'rr_pack.absent'" in third.message


def test_module_without_tasks_is_a_failure(project):
    project(rr_none="x = 1\n")
    (failure,) = load_registry(["rr_none"]).failures
    assert "declares no task" in failure.message


def test_name_declared_twice_is_nobodys_and_both_places_are_named(project):
    project(rr_a='@task(name="same")\ndef f(): ...\n', rr_b='@task(name="same")\ndef g(): ...\n@task\ndef h(): ...\n')
    registry = load_registry(["rr_a", "rr_b"])
    assert [task.name for task in registry.tasks] == ["rr_b.h"]
    (failure,) = registry.failures
    assert "rr_a.f" in failure.message
    assert "rr_b.g" in failure.message


def test_package_offers_the_tasks_of_its_submodules_once(project):
    project(rr_pkg__in____init__="from rr_pkg.mail import send\n", rr_pkg__in__mail="@task\ndef send(): ...\n")
    registry = load_registry(["rr_pkg", "rr_pkg.mail", "rr_pkg"])
    assert [(task.name, task.module) for task in registry.tasks] == [("rr_pkg.mail.send", "rr_pkg.mail")]
    assert registry.failures == []


def test_digest_changes_with_the_tasks_and_only_with_them(project):
    project(rr_x="@task\ndef f(a): ...\n", rr_y="@task\ndef f(a, b): ...\n")
    digests = [load_registry(names).digest() for names in (["rr_x"], ["rr_x", "rr_gone"], ["rr_y"])]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


def test_function_that_is_gone_says_to_restart(project):
    project(rr_old="@task\ndef f(): ...\n")
    assert find_function("rr_old", "rr_old.f") is sys.modules["rr_old"].f
    with pytest.raises(LookupError, match="restart the worker"):
        find_function("rr_old", "rr_old.g")
