"""The import contracts bite: each planted fault is found, and the tree as it stands is clean."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import PROJECT

LINTER = Path(sys.executable).with_name("lint-imports")
FOLDERS = ("libs", "services")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the code and its import contracts, so that a fault can be planted."""
    for folder in FOLDERS:
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / ".importlinter", tmp_path)
    return tmp_path


def _broken_contracts(tree: Path) -> set[str]:
    """Return the names of the contracts that the tree breaks; fails when the linter could not do its work."""
    sources = [str(path) for folder in FOLDERS for path in (tree / folder).iterdir()]
    done = subprocess.run(
        [LINTER, "--no-logo", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = {line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")}
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    assert bool(broken) == bool(done.returncode)
    return broken


def _plant(tree: Path, module: str, line: str = "") -> None:
    """Add a line to a module, which is made where it does not exist yet; a package gets it in a module of its own."""
    package, *rooms = module.split(".")
    (folder,) = tree.glob(f"*/*/{package}")
    path = folder.joinpath(*rooms)
    file = path / "planted.py" if path.is_dir() else path.with_suffix(".py")
    with file.open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")


def test_the_tree_keeps_every_contract(tree: Path) -> None:
    assert _broken_contracts(tree) == set()


SUITE = "Services stand on the chassis, the chassis on the bus, the bus on the contracts"
SERVICES = "A service imports no other service"
BROKER = "The broker knows nothing of Huiyin"
KAFKA_ONLY = "Services and the bus know the broker by Kafka's protocol alone"
SIMULATOR = "The simulator sees the suite from outside"
FROM_BELOW = "Nothing below imports the simulator"
PURE = "Contracts and domain rules are plain Python"
ROOMS = "Inside a service: doors, use cases, memory, rules"


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("huiyin_eventbus.planted", "huiyin_chassis", SUITE),
        ("huiyin_desk.usecases", "huiyin_router", SERVICES),
        ("huiyin_broker.planted", "huiyin_chassis", BROKER),
        ("huiyin_intake.usecases", "huiyin_broker", KAFKA_ONLY),
        ("huiyin_simulator.planted", "huiyin_desk", SIMULATOR),
        ("huiyin_directory.jobs", "huiyin_simulator", FROM_BELOW),
        ("huiyin_sla.domain", "sqlalchemy", PURE),
        ("huiyin_desk.domain", "aiokafka", PURE),
        ("huiyin_contracts.event", "fastapi", PURE),
        ("huiyin_desk.domain", "huiyin_desk.models", ROOMS),
        (
            "huiyin_analytics.errors",
            "huiyin_analytics.usecases",
            "Inside analytics: the same rooms and its reports",
        ),
        ("huiyin_intake.api", "huiyin_intake.handlers", "Inside intake: the same rooms and its channels"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    tree: Path, module: str, imported: str, contract: str
) -> None:
    if "." in imported:
        _plant(tree, imported)
    _plant(tree, module, f"import {imported}")

    assert contract in _broken_contracts(tree)


@pytest.mark.parametrize(
    ("module", "contract"),
    [
        ("huiyin_desk.helpers", ROOMS),
        ("huiyin_router.channels", "Inside router: the same rooms and its classifier"),
    ],
)
def test_a_file_name_without_a_room_breaks_the_contract(tree: Path, module: str, contract: str) -> None:
    _plant(tree, module)

    assert _broken_contracts(tree) == {contract}


def test_a_rule_that_reaches_the_web_framework_through_another_module_is_found(tree: Path) -> None:
    _plant(tree, "huiyin_chassis.planted", "import starlette")
    _plant(tree, "huiyin_desk.domain", "import huiyin_chassis.planted")

    assert _broken_contracts(tree) == {PURE}
