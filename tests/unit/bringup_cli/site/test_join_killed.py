"""A join that is killed, finds no room or is refused: the host is as before or as after, and joins again."""

import errno
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bringup_cli.site.bundle import Manifest
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.join import STATE, join
from bringup_cli.site.registry import HostRole
from pki.errors import PkiError
from tests.unit.bringup_cli.killing import NEED_ROOM, Killed, contents, failing_at
from tests.unit.bringup_cli.site.conftest import NOW, Enrolling

ROLES = (HostRole.REDIS, HostRole.WORKER, HostRole.TAILER)
Bundle = tuple[Manifest, Mapping[str, bytes]]


@dataclass(frozen=True)
class Twice:
    """A host of many roles that has joined, and its next file, in which every certificate is another one."""

    folder: Path
    old: Bundle
    new: Bundle

    def join(self, bundle: Bundle) -> None:
        manifest, files = bundle
        join(self.folder, manifest, files, manifest.made_at)


@pytest.fixture
def twice(ca: Enrolling, tmp_path: Path) -> Twice:
    bundles = []
    for time in (NOW, NOW + timedelta(days=3640)):
        host = ca.host("h1", *ROLES, now=time)
        bundles.append((ca.manifest(host, time), ca.files(host)))
    made = Twice(tmp_path / "h1", *bundles)
    made.join(made.old)
    return made


def check_killed_at(twice: Twice, number: int) -> bool:
    """Whether the join was still at work at this call."""
    manifest, files = twice.old
    join(twice.folder, manifest, files, manifest.made_at, force=True)
    before = contents(twice.folder)
    with failing_at(number, Killed) as done, suppress(Killed):
        twice.join(twice.new)
    HostFolder.read(twice.folder).recover()  # as the timer of renewals does
    between = contents(twice.folder)
    twice.join(twice.new)
    after = contents(twice.folder)
    assert before != after
    assert between in (before, after), f"half in force after {len(done)} calls, the last {done[-1:]}"
    assert not [name for name in after if name.endswith(".new") or name == f"{STATE}/change.json"]
    return len(done) == number


def test_a_join_that_was_killed_is_finished_by_the_next(twice: Twice) -> None:
    for number in (0, 9, 96, 120, 130, 138):
        assert check_killed_at(twice, number)


@pytest.mark.slow
def test_a_join_that_was_killed_before_any_of_its_calls_is_finished_by_the_next(twice: Twice) -> None:
    number = 0
    while check_killed_at(twice, number):
        number += 1
    assert number > 100


def test_a_full_disk_changes_nothing(twice: Twice) -> None:
    before = contents(twice.folder)
    for number in (0, 12, 33, 90):
        with (
            failing_at(number, lambda: OSError(errno.ENOSPC, "No space left on device"), NEED_ROOM),
            pytest.raises(PkiError, match="No space left on device") as refused,
        ):
            twice.join(twice.new)
        assert "make room" in refused.value.hint
        assert contents(twice.folder) == before


def test_what_running_services_are_about_to_write_is_left_to_them(twice: Twice) -> None:
    theirs = [twice.folder / name for name in ("var/.api-change-number.new", "var/spool/.checkpoint.new")]
    ours = [twice.folder / name for name in (".worker.env.new", "redis/.redis.conf.new", "pki/ca/.ca-crl.pem.new")]
    theirs[1].parent.mkdir()
    for path in (*theirs, *ours):
        path.write_text("half")
    twice.join(twice.new)
    assert all(path.read_text() == "half" for path in theirs)
    assert not any(path.exists() for path in ours)
