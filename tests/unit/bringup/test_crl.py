"""The list of revoked certificates never ends without a word in the log before it."""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bringup import log
from bringup.crl import CrlLife, CrlState, CrlWatch
from tests.logs import logging_restored
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW

HOUR = timedelta(hours=1)
PATH = Path("/etc/bringup/pki/ca/ca-crl.pem")
LIFE = CrlLife(NOW, NOW + 30 * HOUR)


class Watched:
    """A list, and the log of who watches it."""

    def __init__(self, stream: io.StringIO) -> None:
        self.now = NOW
        self._stream = stream
        self._watch = CrlWatch(lambda: self.now)

    def lines_at(self, when: datetime, life: CrlLife = LIFE) -> list[str]:
        """What is logged when the list is looked at three times then."""
        self.now = when
        before = len(self._stream.getvalue())
        for _ in range(3):
            self._watch.look(PATH, life)
        return self._stream.getvalue()[before:].splitlines()


@pytest.fixture
def watched() -> Iterator[Watched]:
    stream = io.StringIO()
    with logging_restored():
        log.configure("INFO", "console", stream)
        yield Watched(stream)


@pytest.mark.parametrize(
    ("hours", "state"),
    [
        (-1, CrlState.NOT_YET_VALID),
        (0, CrlState.GOOD),
        (19.9, CrlState.GOOD),
        (20, CrlState.ENDING),
        (29.9, CrlState.ENDING),
        (30, CrlState.EXPIRED),
    ],
)
def test_a_list_is_ending_in_its_last_third(hours: float, state: CrlState) -> None:
    assert LIFE.state(NOW + hours * HOUR) is state


def test_the_end_is_announced_once_with_what_to_do(watched: Watched) -> None:
    assert watched.lines_at(NOW + 10 * HOUR) == []
    (line,) = watched.lines_at(NOW + 21 * HOUR)
    assert "ends soon" in line
    assert "warning" in line
    assert "bringup pki renew" in line
    assert str(PATH) in line
    assert watched.lines_at(NOW + 22 * HOUR) == []


def test_an_expired_list_is_logged_once_with_its_consequence_and_what_to_do(watched: Watched) -> None:
    (line,) = watched.lines_at(NOW + 31 * HOUR)
    assert "has expired: every client certificate is refused" in line
    assert "error" in line
    assert "bringup pki renew" in line
    assert watched.lines_at(NOW + 50 * HOUR) == []


def test_a_clock_that_is_behind_the_list_is_named(watched: Watched) -> None:
    (line,) = watched.lines_at(NOW - HOUR)
    assert "not valid yet" in line
    assert "timedatectl" in line


def test_a_new_list_is_logged_and_its_own_end_is_announced_again(watched: Watched) -> None:
    watched.lines_at(NOW + 31 * HOUR)
    fresh = CrlLife(NOW + 30 * HOUR, NOW + 60 * HOUR)
    (line,) = watched.lines_at(NOW + 31 * HOUR, fresh)
    assert "good again" in line
    (line,) = watched.lines_at(NOW + 51 * HOUR, fresh)
    assert "ends soon" in line


def test_the_list_that_ends_first_counts_while_two_cas_are_trusted(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki")
    shorter = kit.init_pki(tmp_path / "other", crl_days=3)
    both = tmp_path / "both.pem"
    both.write_bytes(store.ca_crl.read_bytes() + shorter.ca_crl.read_bytes())
    assert CrlLife.read(store.ca_crl).end == NOW + timedelta(days=90)
    assert CrlLife.read(both).end == NOW + timedelta(days=3)


@pytest.mark.parametrize("content", [b"", b"no list", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
def test_what_is_no_list_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "crl.pem"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r".+"):
        CrlLife.read(path)
