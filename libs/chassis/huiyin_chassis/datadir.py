"""The folder in which the suite keeps databases, the embedded broker's log and its few small files.

`VERSION` holds the number of the folder's layout, so that an older Huiyin refuses a newer folder instead of
misreading it; schemas have their own, finer check in `migrate`.
"""

import os
from pathlib import Path
from typing import Final

from huiyin_chassis.errors import DataDirIsNewer, DataDirUnusable

LAYOUT: Final = 1
_OWNER_ONLY: Final = 0o077
BROKER_LOG: Final = "broker.db"
BROKER_PORT: Final = "broker.port"
ADMIN_KEY: Final = "admin.key.sha256"


def open_data_dir(folder: Path) -> Path:
    """Make the folder if need be, and return its absolute path; files this process makes from now on are its owner's only.

    Raises DataDirUnusable when it cannot be written, DataDirIsNewer when a later version of Huiyin laid it out.
    """
    folder = folder.absolute()
    # SQLite makes its files by the umask: what customers said is no more for others to read than the keys are.
    os.umask(_OWNER_ONLY)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13))
        _check_layout(folder)
    except OSError as error:
        raise DataDirUnusable(folder, error.strerror or "cannot be used") from None
    return folder


def _check_layout(folder: Path) -> None:
    version = folder / "VERSION"
    if not version.exists():
        write_once(version, f"{LAYOUT}\n")
    found = version.read_text().strip()
    if not found.isdecimal():
        raise DataDirUnusable(folder, "VERSION holds no number: this is not a data folder of Huiyin")
    if int(found) > LAYOUT:
        raise DataDirIsNewer(folder)


def write_private(path: Path, text: str) -> None:
    """Put a small file in place at once and whole, readable by its owner only."""
    _part(path, text).replace(path)


def write_once(path: Path, text: str) -> bool:
    """Put a small file in place unless there is one; return whether it was put. Safe between processes."""
    part = _part(path, text)
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True


def _part(path: Path, text: str) -> Path:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return part
