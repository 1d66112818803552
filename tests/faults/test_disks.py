"""A small disk takes over what is in its folder, and is full when told."""

import os
from pathlib import Path

import pytest

from tests.faults.disks import Disk, is_full, why_not


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_a_disk_takes_over_the_content_of_its_folder_and_can_be_filled_and_freed(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "kept").write_text("words")
    for path in (folder, folder / "inner" / "kept"):
        os.chown(path, 65534, 65534)
    disk = Disk(folder, megabytes=2)

    disk.mount()

    try:
        assert folder.is_mount()
        assert (folder / "inner" / "kept").read_text() == "words"
        assert (folder.stat().st_uid, (folder / "inner" / "kept").stat().st_uid) == (65534, 65534)
        disk.fill()
        assert is_full(folder)
        disk.free()
        assert not is_full(folder)
    finally:
        disk.unmount()
