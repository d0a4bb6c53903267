"""Booting takes minutes and needs QEMU: ``scripts/iso/test`` runs this, and nothing else."""

import os
from pathlib import Path

import pytest

from bringup.wire.machine import AREA_HEAD, AREA_SIZE, RunParameters

collect_ignore_glob = [] if os.environ.get("BRINGUP_ISO") else ["test_*.py"]

RUN = "52-54-00-12-34-56-1700000000"


@pytest.fixture(scope="session")
def image() -> Path:
    """The base image that scripts/iso/test has built."""
    return Path(os.environ["BRINGUP_ISO"])


@pytest.fixture(scope="session")
def run_image(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of one run, as the API serves it. Nobody listens where it calls back."""
    run = RunParameters(run_id=RUN, callback_url="http://10.0.2.2:9/api/v1", token="a-token", epoch=1700000000)
    data = bytearray(image.read_bytes())
    start = data.index(AREA_HEAD)
    data[start : start + AREA_SIZE] = run.model_dump_json().encode().ljust(AREA_SIZE)
    path = tmp_path_factory.mktemp("run") / "run.iso"
    path.write_bytes(data)
    return path
