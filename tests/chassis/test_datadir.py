"""The data folder and the admin key kept in it."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from huiyin_chassis.adminkey import admin_key
from huiyin_chassis.datadir import ADMIN_KEY, LAYOUT, open_data_dir, write_once
from huiyin_chassis.errors import DataDirIsNewer, DataDirUnusable
from huiyin_chassis.keys import sha256_of
from huiyin_chassis.settings import Settings


def test_a_new_folder_is_private_and_says_its_version(tmp_path: Path) -> None:
    folder = open_data_dir(tmp_path / "deep" / "data")

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "VERSION").read_text() == f"{LAYOUT}\n"
    assert open_data_dir(folder) == folder


def test_a_folder_from_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("99\n")

    with pytest.raises(DataDirIsNewer, match="newer version"):
        open_data_dir(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["VERSION"]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("PostgreSQL\n")

    with pytest.raises(DataDirUnusable, match="not a data folder of Huiyin"):
        open_data_dir(tmp_path)


def test_a_file_in_its_place_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(DataDirUnusable) as refused:
        open_data_dir(tmp_path / "data")

    assert "\n" not in str(refused.value)


def test_what_is_written_once_stays_and_leaves_no_scraps(tmp_path: Path) -> None:
    assert write_once(tmp_path / "file", "first")
    assert not write_once(tmp_path / "file", "second")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "first")]


def test_a_made_admin_key_is_shown_once_and_only_its_digest_kept(tmp_path: Path) -> None:
    first = admin_key(Settings(), tmp_path)
    second = admin_key(Settings(), tmp_path)

    assert first.made is not None
    assert first.made not in (tmp_path / ADMIN_KEY).read_text()
    assert first.made not in repr(first)
    assert second.made is None
    assert second.sha256 == first.sha256 == sha256_of(first.made)
    assert stat.S_IMODE((tmp_path / ADMIN_KEY).stat().st_mode) == 0o600


def test_a_given_admin_key_is_not_stored(tmp_path: Path) -> None:
    given = admin_key(Settings(admin_key=SecretStr("a" * 32)), tmp_path)

    assert given.sha256 == sha256_of("a" * 32)
    assert given.made is None
    assert list(tmp_path.iterdir()) == []
