from pathlib import Path

import pytest

from huiyin_simulator.errors import DemoRunning, FolderNotOurs
from huiyin_simulator.folder import MARKER, demo_folder


def test_the_folder_is_made_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "data" / "demo"
    with demo_folder(path) as first:
        (first.path / "old.db").write_text("old")

    with demo_folder(path) as second:
        assert [each.name for each in second.path.iterdir()] == [MARKER]


def test_what_a_demo_left_stays_for_whoever_wants_to_look(tmp_path: Path) -> None:
    with demo_folder(tmp_path / "demo") as folder:
        (folder.path / "desk.db").write_text("tickets")

    assert (tmp_path / "demo" / "desk.db").read_text() == "tickets"


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "demo"
    path.mkdir()
    (path / "precious.db").write_text("real data")

    with pytest.raises(FolderNotOurs), demo_folder(path):
        pass

    assert (path / "precious.db").read_text() == "real data"


def test_a_link_to_a_folder_of_a_demo_is_not_followed(tmp_path: Path) -> None:
    with demo_folder(tmp_path / "demo"):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "demo")

    with pytest.raises(FolderNotOurs), demo_folder(tmp_path / "link"):
        pass

    assert (tmp_path / "demo" / MARKER).exists()


def test_a_dangling_link_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    with pytest.raises(FolderNotOurs), demo_folder(tmp_path / "link"):
        pass


def test_a_second_demo_does_not_take_the_folder_from_a_running_one(tmp_path: Path) -> None:
    with demo_folder(tmp_path / "demo") as running:
        with pytest.raises(DemoRunning), demo_folder(tmp_path / "demo"):
            pass

        assert (running.path / MARKER).exists()
