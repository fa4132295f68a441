"""Which tasks there are: imports the modules that a worker names, each on its own, and describes what they declare."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from rayferry.retry_policy import RetryPolicy
from rayferry.task import DeclaredTask, declared
from rayferry.text import clean

MAX_TRACEBACK = 16_384
MAX_DEFAULT = 200


class Parameter(msgspec.Struct, frozen=True):
    name: str
    kind: str
    required: bool
    annotation: str | None
    default: str | None


class TaskEntry(msgspec.Struct, frozen=True):
    """One task, as in the `registry` message."""

    name: str
    module: str
    qualname: str
    file: str | None
    kind: str
    queue: str
    num_cpus: float
    doc: str | None
    parameters: list[Parameter]
    max_attempts: int | None = None
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    queue_timeout_seconds: float | None = None


class ModuleFailure(msgspec.Struct, frozen=True):
    module: str
    message: str
    traceback: str | None


class Registry(msgspec.Struct, frozen=True):
    tasks: list[TaskEntry]
    failures: list[ModuleFailure]

    def digest(self) -> str:
        """SHA-256 of what can be run; the same tasks give the same digest on every machine."""
        return hashlib.sha256(msgspec.json.encode(self.tasks, order="sorted")).hexdigest()


def load_registry(modules: Iterable[str]) -> Registry:
    """Import each module; one that fails leaves the others alone. A name declared twice is nobody's."""
    failures: list[ModuleFailure] = []
    found: dict[str, list[DeclaredTask]] = {}
    for module in dict.fromkeys(modules):
        failure = _import(module)
        tasks = [] if failure else _declared_in(module)
        if failure is None and not tasks:
            sentence = f"Module {module!r} declares no task. Put @rayferry.task above a function of it."
            failure = ModuleFailure(module, sentence, None)
        if failure:
            failures.append(failure)
        for task in tasks:
            places = found.setdefault(task.name, [])
            if all(other.function is not task.function for other in places):
                places.append(task)
    entries = []
    for name, tasks in sorted(found.items()):
        if len(tasks) == 1:
            entries.append(describe(tasks[0]))
        else:
            failures.append(_declared_twice(name, tasks))
    return Registry(entries, failures)


def find_function(module: str, name: str) -> Callable[..., Any]:
    """The function behind a task's name. Imports its module unless this process has it. Raises LookupError."""
    importlib.import_module(module)
    for task in reversed(declared):
        if task.name == name and task.module == module:
            return task.function
    raise LookupError(
        f"Module {module!r} is there, but declares no task {name!r} in this process. "
        "It declared one when the worker started: restart the worker, so that it reads the registry again."
    )


def describe(task: DeclaredTask) -> TaskEntry:
    function = inspect.unwrap(task.function)
    doc = inspect.getdoc(task.function)
    return TaskEntry(
        name=task.name,
        module=task.module,
        qualname=task.function.__qualname__,
        file=clean(function.__code__.co_filename),
        kind="async" if inspect.iscoroutinefunction(task.function) else "function",
        queue=task.queue,
        num_cpus=task.num_cpus,
        doc=None if doc is None else clean(doc),
        parameters=[_parameter(each) for each in inspect.signature(task.function).parameters.values()],
        max_attempts=task.terms.max_attempts,
        retry=task.terms.retry,
        timeout_seconds=task.terms.timeout,
        queue_timeout_seconds=task.terms.queue_timeout,
    )


def trim_traceback(error: BaseException, keep: Callable[[str], bool]) -> str:
    """The traceback without the frames above the user's first one: `keep` says of a file whether it is the user's."""
    start: TracebackType | None = error.__traceback__
    while start is not None and not keep(start.tb_frame.f_code.co_filename):
        start = start.tb_next
    linecache.checkcache()
    text = "".join(traceback.format_exception(type(error), error, start, chain=True))
    if len(text) <= MAX_TRACEBACK:
        return text
    head, tail = MAX_TRACEBACK // 4, MAX_TRACEBACK - MAX_TRACEBACK // 4
    return f"{text[:head]}\n... {len(text) - MAX_TRACEBACK} characters left out ...\n{text[-tail:]}"


def _import(module: str) -> ModuleFailure | None:
    cwd = str(Path.cwd())
    if cwd not in sys.path:
        sys.path.insert(0, cwd)
    importlib.invalidate_caches()
    before = len(declared)
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        del declared[before:]
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            sentence = (
                f"There is no module {error.name!r}. It is looked for in {cwd} and on sys.path (PYTHONPATH, installed "
                "packages). Start the worker in the folder that has it, or set PYTHONPATH."
            )
            return ModuleFailure(module, sentence, None)
        return _import_failure(module, error)
    except (Exception, SystemExit) as error:
        # What a half-imported module declared before it failed must not run.
        del declared[before:]
        return _import_failure(module, error)
    return None


def _import_failure(module: str, error: BaseException) -> ModuleFailure:
    sentence = f"Module {module!r} can't be imported: {type(error).__name__}: {error}"
    return ModuleFailure(module, clean(sentence), clean(trim_traceback(error, _is_users)))


def _is_users(file: str) -> bool:
    return file != __file__ and not file.startswith("<frozen ") and "/importlib/" not in file


def _declared_in(module: str) -> list[DeclaredTask]:
    """Those of the module and of the modules beneath it, and those that it imports from elsewhere by name."""
    offered = {id(value) for value in vars(sys.modules[module]).values()}
    return [
        task
        for task in declared
        if task.module == module or task.module.startswith(module + ".") or id(task.function) in offered
    ]


def _declared_twice(name: str, tasks: list[DeclaredTask]) -> ModuleFailure:
    places = " and in ".join(task.place for task in tasks)
    sentence = f"Task {name!r} is declared in {places}. Neither is run: give one of them another name."
    return ModuleFailure(tasks[-1].module, sentence, None)


def _parameter(parameter: inspect.Parameter) -> Parameter:
    empty = inspect.Parameter.empty
    variable = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    annotation = parameter.annotation
    if annotation is not empty and not isinstance(annotation, str):
        annotation = inspect.formatannotation(annotation)
    return Parameter(
        name=parameter.name,
        kind=parameter.kind.name.lower(),
        required=parameter.default is empty and not variable,
        annotation=None if annotation is empty else clean(annotation),
        default=None if parameter.default is empty else _short_repr(parameter.default),
    )


def _short_repr(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:
        return f"<repr failed: {type(error).__name__}>"
    return text if len(text) <= MAX_DEFAULT else text[: MAX_DEFAULT - 3] + "..."
