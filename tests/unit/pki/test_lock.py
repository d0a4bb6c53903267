import os
from pathlib import Path

import pytest

from pki import lock
from pki.errors import Locked
from pki.store import Store
from tests.unit.pki import kit


def test_a_lock_names_this_process_while_it_is_held(store: Store) -> None:
    with kit.sitting(store):
        assert store.lock_file.read_text() == f"process {os.getpid()}: a test"


def test_a_lock_file_that_is_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    store.lock_file.unlink()
    store.lock_file.symlink_to(target)
    with pytest.raises(Exception, match="cannot be written"), kit.sitting(store):
        pass
    assert target.read_text() == "precious"


def test_a_command_that_reads_is_not_taken_for_an_earlier_one(store: Store) -> None:
    with lock.shared(store.lock_file), pytest.raises(Locked, match="held by a command that reads"), kit.sitting(store):
        pass
