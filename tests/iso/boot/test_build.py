"""What scripts/iso/build promises of its output."""

import subprocess
from pathlib import Path

from bringup.wire.machine import AREA_HEAD, AREA_SIZE


def test_two_builds_have_the_same_bytes(tmp_path: Path) -> None:
    command = ["scripts/iso/build", "--check", "--output", str(tmp_path / "again.iso"), "--cache", "var/iso-cache"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "two builds, the same bytes" in done.stderr


def test_a_manifest_builds_the_image_again(image: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.iso"
    command = ["scripts/iso/build", "--packages", f"{image}.manifest", "--output", str(again)]
    done = subprocess.run([*command, "--cache", "var/iso-cache"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert again.read_bytes() == image.read_bytes()


def test_the_image_is_under_64_mb_and_holds_one_blank_area(image: Path) -> None:
    data = image.read_bytes()
    start = data.index(AREA_HEAD)
    assert len(data) < 64_000_000
    assert data.count(AREA_HEAD) == 1
    assert data[start + len(AREA_HEAD) : start + AREA_SIZE].strip(b" ") == b""


def test_the_image_holds_its_manifest(image: Path) -> None:
    assert Path(f"{image}.manifest").read_bytes() in image.read_bytes()
