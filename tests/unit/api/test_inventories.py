"""The id of an API host: the file that keeps two hosts of one name apart."""

import os
import stat
from pathlib import Path

import pytest

from api.state.inventories import _host_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api-host"


def test_the_id_of_a_host_survives_a_power_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost, the host would be another one, and the inventory that it has published would withhold its own machines."""
    synced: list[str] = []

    def record(descriptor: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    monkeypatch.setattr(os, "fsync", record)
    assert _host_id(path) == path.read_text()
    assert synced == ["file", "folder"]


def test_the_first_process_of_a_host_names_it_and_the_others_read_it(path: Path) -> None:
    first = _host_id(path)
    assert len(first) == 8
    assert _host_id(path) == first
    assert [file.name for file in path.parent.iterdir()] == ["api-host"]


def test_a_host_that_cannot_keep_an_id_goes_by_its_name(path: Path) -> None:
    assert _host_id(path.parent / "missing" / "api-host") == ""
