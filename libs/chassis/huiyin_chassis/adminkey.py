"""The operator's admin key: given in `HUIYIN_ADMIN_KEY`, or made once at the first start.

Only its SHA-256 is kept, in the data folder, so that a restart knows the key without being able to tell it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from huiyin_chassis.datadir import ADMIN_KEY, write_once
from huiyin_chassis.keys import made_key, sha256_of
from huiyin_chassis.settings import Settings


@dataclass(frozen=True, slots=True)
class AdminKey:
    """How the admin key is recognised; `made` is the key itself, only in the process that has just made it."""

    sha256: str
    made: str | None = field(default=None, repr=False)


def admin_key(settings: Settings, folder: Path) -> AdminKey:
    """Return the admin key of this installation, making one when there is none. A given key is never stored."""
    if settings.admin_key is not None:
        return AdminKey(sha256_of(settings.admin_key.get_secret_value()))
    kept = folder / ADMIN_KEY
    if not kept.exists():
        key = made_key()
        # Of several processes that start at once, one makes the key.
        if write_once(kept, sha256_of(key) + "\n"):
            return AdminKey(sha256_of(key), made=key)
    return AdminKey(kept.read_text().strip())
