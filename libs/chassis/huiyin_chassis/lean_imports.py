"""Imports libraries without what this process has no use for, or none yet.

structlog looks whether rich is there, for its colourful console. With typer it is, and takes 40 ms of every start; our
logs are JSON. FastAPI looks whether an answer is a model of the first pydantic, which it refuses: 15 ms to import that.
And it makes the validators of its model of OpenAPI, another 30 ms, for a document that few ask for. SQLAlchemy's package
for asyncio brings the object mapper along, 40 ms and 8 MB; our services speak SQL without one. Its dialects import every
driver they know, prometheus_client an HTTP server and a client, uvicorn a command line: a twentieth of a start.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


@contextmanager
def without(name: str) -> Iterator[None]:
    """Let imports in the block not find a package; nothing changes when it has been imported before.

    Not for a process that imports in several threads at the same time. The broker, which imports no other package of ours, has its own for kio.
    """
    if name in sys.modules:
        yield
        return
    hide(name)
    try:
        yield
    finally:
        del sys.modules[name]


def hide(name: str) -> None:
    """Let no import of this process find a package; nothing changes when it has been imported before."""
    # None is Python's own sign for a module that must not be found.
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]


@contextmanager
def models_made_on_first_use() -> Iterator[None]:
    """Let the pydantic models that are defined in the block make their validators when they are first used.

    For imports of libraries that define models and use few of them; our own say `defer_build` themselves. Not for a
    process that imports in several threads at the same time.
    """
    from pydantic import BaseModel, ConfigDict  # noqa: PLC0415 - not for those who only hide a package

    before = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        yield
    finally:
        BaseModel.model_config = before


def import_in_part(package: str, *, later: Iterable[str]) -> None:
    """Import a package without some of its modules: whoever asks for one, or for a name of theirs, has it imported then.

    Nothing changes when the package has been imported before.
    """
    if package in sys.modules:
        return
    stand_ins = {f"{package}.{name}": _StandIn(name) for name in later}
    sys.modules.update(stand_ins)
    try:
        imported = import_module(package)
    finally:
        for name in stand_ins:
            del sys.modules[name]
    origins = {name: module for module, stand_in in stand_ins.items() for name in stand_in.asked}
    given = vars(imported)
    for name in [*origins, *(name for name, value in given.items() if isinstance(value, _StandIn))]:
        del given[name]

    def find(name: str) -> object:
        if f"{package}.{name}" in stand_ins:
            return import_module(f"{package}.{name}")
        if name not in origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(origins[name]), name)
        setattr(imported, name, found)
        return found

    imported.__getattr__ = find  # type: ignore[method-assign]


class _StandIn(ModuleType):
    """Stands for a module while its package is imported, and keeps the names that are asked of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        self.asked.append(name)
        return None
