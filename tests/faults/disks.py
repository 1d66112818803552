"""Small disks that a test can fill: tmpfs mounts, which need root."""

import errno
import os
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

MEGABYTE = 1024 * 1024
_FILLER = "filler"


class Disk:
    """A small file system mounted on a folder, from `mount` to `unmount`."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self.folder = folder
        self._megabytes = megabytes

    def mount(self) -> None:
        """Mount it on the folder, whose content moves onto it; raises CalledProcessError where that is not allowed."""
        options = f"size={self._megabytes}m,mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "huiyin-test", str(self.folder)]
        with tempfile.TemporaryDirectory() as aside:
            _copy(self.folder, Path(aside))
            subprocess.run(command, check=True, capture_output=True)
            _copy(Path(aside), self.folder)

    def unmount(self) -> None:
        """Unmount it, also while files are open."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)

    def fill(self) -> None:
        """Leave no room at all."""
        with (self.folder / _FILLER).open("ab", buffering=0) as filler:
            for size in (MEGABYTE, 4096, 1):
                with suppress(OSError):
                    while filler.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        """Give the room back."""
        (self.folder / _FILLER).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True, capture_output=True)


@cache
def why_not() -> str | None:
    """Return why this machine mounts no disks, None when it does."""
    if os.geteuid() != 0:
        return "only root mounts disks"
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder), megabytes=1)
        try:
            disk.mount()
        except (subprocess.CalledProcessError, OSError) as refused:
            return f"this machine mounts no disks: {getattr(refused, 'stderr', None) or refused}"
        disk.unmount()
    return None


def is_full(folder: Path) -> bool:
    """Tell whether not even a small file fits."""
    probe = folder / "probe"
    try:
        probe.write_bytes(bytes(4096))
    except OSError as refused:
        return refused.errno == errno.ENOSPC
    finally:
        with suppress(OSError):
            probe.unlink()
    return False
