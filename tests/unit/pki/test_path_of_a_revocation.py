"""How many files a reader opens to follow one revocation, from the command line to the disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from click.testing import CliRunner, Result

import pki
from bringup_cli.root import cli
from tests.unit.pki import kit

HOUSE = Path(pki.__file__).parents[1]
ROOMS = ("bringup", "bringup_cli", "pki", "selftest")


@contextmanager
def entered() -> Iterator[set[str]]:
    """Collect the files of the project whose functions are called while the block runs."""
    files: set[str] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(HOUSE):
            files.add(str(path.relative_to(HOUSE)))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield files
    finally:
        sys.setprofile(before)


def bringup(folder: Path, *words: str) -> Result:
    return CliRunner(env={"PKI_DIR": str(folder / "pki")}).invoke(
        cli, ["--env-file", str(folder / "empty.env"), "pki", *words], catch_exceptions=False
    )


def test_a_revocation_enters_at_most_fifteen_files(tmp_path: Path) -> None:
    (tmp_path / "empty.env").touch()
    store = kit.init_pki(tmp_path / "pki", datetime.now(UTC))
    with kit.open_session(store, datetime.now(UTC)) as session:
        session.issue(kit.W2, ())
        session.commit()
    assert bringup(tmp_path, "crl").exit_code == 0  # imports everything, so that importing does not count
    with entered() as files:
        result = bringup(tmp_path, "revoke", "w2", "--reason", "key-compromise")
    assert "revoked: w2.worker.bringup.internal" in result.output
    path = sorted(file for file in files if file.startswith(ROOMS))
    assert {"bringup_cli/commands/pki/certificates.py", "pki/crl.py", "pki/authority.py", "pki/journal.py"} <= set(path)
    assert len(path) <= 15, "\n".join(path)
