"""Sitting down at the CA: the lock, the folders, and what a killed command has left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pki import journal, lock
from pki.errors import Refused
from pki.files import DIRECTORY_MODE, PRIVATE_DIRECTORY_MODE, make_directory
from pki.journal import Step, no_step
from pki.keys import Passphrase, no_passphrase
from pki.names import STANDARD
from pki.profile import Validity
from pki.session import Ceremony
from pki.store import Store


@contextmanager
def ceremony(
    store: Store,
    command: str,
    now: datetime,
    *,
    validity: Validity | None = None,
    passphrase: Passphrase = no_passphrase,
    founding: bool = False,
    wait_s: float = 0,
    step: Step = no_step,
) -> Iterator[Ceremony]:
    """Sit down at the CA: take the lock, finish what a killed command had decided, and begin.

    Args:
        command: what is being done, for the message of whoever is locked out.
        now: the time that certificates are made for.
        passphrase: asked only if the CA key is encrypted.
        founding: there may be no CA yet.
        wait_s: how long to wait for another command to end, in seconds.
        step: called before each thing done to the disk.

    Raises:
        NotSetUp: there is no CA.
        Refused: the CA is trusted here, but lives on another machine.
        Locked: another command is at work.
    """
    if not founding:
        check_home(store)
    for folder, mode in _folders(store):
        make_directory(folder, mode)
    with lock.exclusive(store.lock_file, command, wait_s=wait_s):
        journal.finish(store.root, store.state, step=step)
        own = (store.files(one).key.parent for one in STANDARD)
        journal.sweep(store.state, [store.state.parent, store.root / "issued", *own])
        yield Ceremony(store, now, validity or Validity(), passphrase, step)


def check_home(store: Store) -> None:
    """That this is the CA's machine. Raises NotSetUp where there is no CA, Refused where it lives elsewhere."""
    if store.ca_key.exists() or store.record_file.exists() or journal.interrupted(store.state):
        return
    store.authorities()
    raise Refused(
        f"this is not the CA's machine: neither {store.ca_key} nor {store.record_file} is here",
        hint="run the command where the CA key is, and carry the certificates here",
    )


def _folders(store: Store) -> Iterator[tuple[Path, int]]:
    yield store.root, DIRECTORY_MODE
    yield store.state.parent, DIRECTORY_MODE
    yield store.state, PRIVATE_DIRECTORY_MODE
