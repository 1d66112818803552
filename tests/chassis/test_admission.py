"""Room to keep what is accepted: told by the outbox and the disk, and open again as soon as there is some."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from huiyin_chassis import metrics
from huiyin_chassis.admission import Admission
from huiyin_chassis.errors import DiskFull, OutboxFull, Overloaded


def admission(folder: Path | None = None, *, min_free_share: float = 0.0) -> Admission:
    return Admission("roomy", outbox_limit=100, min_free_share=min_free_share, folder=folder)


def accepting() -> float:
    return float(metrics.ACCEPTING.labels("roomy")._value.get())


def test_before_the_first_look_there_is_admission() -> None:
    gate = admission()
    gate.open()

    gate.check()
    assert accepting() == 1


async def test_a_full_outbox_refuses_until_it_is_shorter() -> None:
    full = admission()
    full.measure(outbox_rows=100)

    with pytest.raises(OutboxFull, match="100 events"):
        full.check()
    assert (await full.probe(), accepting()) == ("100 events or more wait in the outbox", 0)

    full.measure(outbox_rows=99)
    full.check()
    assert (await full.probe(), accepting()) == (None, 1)


async def test_a_full_disk_refuses(tmp_path: Path) -> None:
    full = admission(tmp_path, min_free_share=0.999999)
    full.measure(outbox_rows=0)

    with pytest.raises(DiskFull) as refused:
        full.check()
    assert 0 <= refused.value.free_share < 1
    assert isinstance(refused.value, Overloaded)
    assert "of the disk is free" in (await full.probe() or "")


def test_a_database_elsewhere_has_a_disk_of_its_own(tmp_path: Path) -> None:
    far = admission(None, min_free_share=0.999999)

    far.measure(outbox_rows=0)

    far.check()


def test_a_change_is_logged_once(tmp_path: Path) -> None:
    full = admission()
    with capture_logs() as logs:
        for rows in (0, 100, 200, 300, 0, 0):
            full.measure(outbox_rows=rows)

    assert [line["event"] for line in logs] == ["admission_closed", "admission_opened"]
