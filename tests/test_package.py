"""The wheel: what a user installs holds all that the source tree runs on, and says one version everywhere."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import CACHE, PROJECT, ServerUnavailable, skip_or_fail

SERVICES = sorted(path.name for path in (PROJECT / "services").iterdir() if path.is_dir())
PACKAGES = sorted(
    path.parent
    for folder in ("libs", "services")
    for path in PROJECT.glob(f"{folder}/*/huiyin_*/__init__.py")
)


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel, with the build backend from the cache where it is there."""
    target = tmp_path_factory.mktemp("wheel")
    uv = shutil.which("uv") or shutil.which("uv", path=CACHE / "uv" / "bin")
    if uv is None:
        skip_or_fail(ServerUnavailable("no uv to build the wheel with: run make setup"))
    done = _build(uv, target, "--offline")
    if done.returncode:
        done = _build(uv, target)
    if done.returncode:
        skip_or_fail(ServerUnavailable(f"the wheel could not be built: {done.stderr.strip()[-400:]}"))
    (file,) = target.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


def _build(uv: str, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [uv, "build", "--wheel", "--quiet", "--out-dir", str(target), *options, str(PROJECT)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _metadata(wheel: zipfile.ZipFile, name: str) -> bytes:
    (path,) = [each for each in wheel.namelist() if each.endswith(f".dist-info/{name}")]
    return wheel.read(path)


def test_every_file_of_every_package_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    files = {
        file.relative_to(package.parent).as_posix()
        for package in PACKAGES
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    assert files - set(wheel.namelist()) == set()


def test_nothing_but_our_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    folders = {name.split("/", maxsplit=1)[0] for name in wheel.namelist()}

    assert {name for name in folders if not name.endswith(".dist-info")} == {
        package.name for package in PACKAGES
    }


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_with_tables_brings_its_migrations(wheel: zipfile.ZipFile, service: str) -> None:
    migrations = [name for name in wheel.namelist() if name.startswith(f"huiyin_{service}/migrations/")]

    assert [name for name in migrations if name.endswith(".py") and "/versions/" in name]


def test_every_entry_point_names_a_module_of_the_wheel(
    wheel: zipfile.ZipFile, pyproject: dict[str, Any]
) -> None:
    points = ConfigParser(delimiters="=")
    points.read_string(_metadata(wheel, "entry_points.txt").decode())
    targets = {group: dict(points[group]) for group in points.sections()}

    assert (
        targets == {"console_scripts": pyproject["project"]["scripts"]} | pyproject["project"]["entry-points"]
    )
    for target in (target for group in targets.values() for target in group.values()):
        module = target.partition(":")[0].replace(".", "/")
        assert {f"{module}.py", f"{module}/__init__.py"} & set(wheel.namelist()), target


def test_there_is_one_version(wheel: zipfile.ZipFile, pyproject: dict[str, Any]) -> None:
    version = pyproject["project"]["version"]
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))

    assert message_from_bytes(_metadata(wheel, "METADATA"))["Version"] == version
    assert [each["version"] for each in lock["package"] if each["name"] == "huiyin"] == [version]
    assert not [
        package
        for package in PACKAGES
        if "__version__ =" in (package / "__init__.py").read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE"])
def test_the_licence_travels_with_the_wheel(wheel: zipfile.ZipFile, name: str) -> None:
    assert len(_metadata(wheel, f"licenses/{name}")) > 100


def test_the_command_starts_from_the_wheel_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "installed")
    start = "import huiyin_chassis.cli as cli; print(cli.__file__); cli.main()"

    done = subprocess.run(
        [sys.executable, "-c", start, "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert "demo" in done.stdout
