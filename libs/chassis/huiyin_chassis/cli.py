"""The command `huiyin`: the chassis's own verbs, those of the services and those of other packages.

A verb costs the import of its own module only. Services' verbs stand in their `commands.py`, which is imported when
the chassis has no verb of that name (or for the list of all); other packages register through the entry points
`huiyin.commands`. Errors that the operator can act on are one line on stderr; the exit code is 0 only when all went
well, 2 for a wrong call or a broken setting, else 1.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Final

import typer
from typer.exceptions import Abort, Exit, TyperException

COMMANDS_GROUP: Final = "huiyin.commands"
_SERVICES_GROUP: Final = "huiyin.services"
_INTERRUPTED: Final = 130
Register = Callable[[typer.Typer], None]

OWN: Final = {
    "up": "huiyin_chassis.commands.serve",
    "run": "huiyin_chassis.commands.serve",
    "broker": "huiyin_chassis.commands.broker",
    "migrate": "huiyin_chassis.commands.schemas",
    "verify": "huiyin_chassis.commands.verify",
    "events": "huiyin_chassis.commands.events",
    "version": "huiyin_chassis.commands.version",
}
"""The chassis's own verbs and the modules that register them."""


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        outcome = build(arguments)(args=list(arguments), prog_name="huiyin", standalone_mode=False)
    except Exit as exited:
        return exited.exit_code
    except (Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except TyperException as wrong_call:
        show = getattr(wrong_call, "show", None)
        if show is not None:
            show()
        return wrong_call.exit_code
    except Exception as error:  # noqa: BLE001 - the operator gets one line, whatever went wrong
        return _tell(error)
    return outcome if isinstance(outcome, int) else 0


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line with as many verbs as these arguments need."""
    app = typer.Typer(
        name="huiyin",
        help="Huiyin 回音: every voice gets an echo.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def huiyin() -> None:
        """Huiyin 回音: every voice gets an echo."""

    verb = next((argument for argument in arguments if not argument.startswith("-")), None)
    for register in _registrars(verb):
        register(app)
    return app


def _registrars(verb: str | None) -> Iterator[Register]:
    if verb in OWN:
        yield import_module(OWN[verb]).register
        return
    named = [point for point in entry_points(group=COMMANDS_GROUP) if point.name == verb]
    if named and _is_there(named[0].module):
        yield named[0].load()
        return
    for module in dict.fromkeys(OWN.values()):
        yield import_module(module).register
    for point in entry_points(group=COMMANDS_GROUP):
        if _is_there(point.module):
            yield point.load()
    for point in entry_points(group=_SERVICES_GROUP):
        yield from _verbs_of(point)


def _verbs_of(service: EntryPoint) -> Iterator[Register]:
    """Give the `register` of a service's commands module, without importing its app."""
    module = f"{service.module.rpartition('.')[0]}.commands"
    if _is_there(module):
        yield import_module(module).register


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _tell(error: Exception) -> int:
    if os.environ.get("HUIYIN_LOG_LEVEL", "").lower() == "debug":
        raise error
    told = " ".join(str(error).split()) or type(error).__name__
    code: int | None = getattr(error, "exit_code", None)
    if code is None:
        told = f"{type(error).__name__}: {told} (HUIYIN_LOG_LEVEL=debug shows where)"
    sys.stderr.write(f"huiyin: {told}\n")
    return code or 1
