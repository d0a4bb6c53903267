"""Files that are encrypted with a passphrase, in the format of age: what a host is enrolled with, and backups."""

from collections.abc import Callable

import pyrage

from bringup.errors import BringupError
from bringup.text import printable


def seal(data: bytes, passphrase: str) -> bytes:
    """The encrypted file."""
    return bytes(pyrage.passphrase.encrypt(data, passphrase))


def unseal(data: bytes, passphrase: str, *, refusal: Callable[[str], BringupError], instead: str) -> bytes:
    """What `seal` was given.

    Args:
        data: the encrypted file.
        passphrase: with which it was sealed.
        refusal: makes the error from its message.
        instead: what to do where copying the file again does not help.

    Raises:
        BringupError: as ``refusal`` makes it: the passphrase is wrong, the file is damaged, or this host is too busy.
    """
    try:
        return bytes(pyrage.passphrase.decrypt(data, passphrase))
    except pyrage.DecryptError as error:
        # age bounds the work of opening by how fast this host is right now: a busy one refuses a good file.
        why = printable(str(error).partition("\n")[0])
        raise refusal(
            f"it cannot be opened ({why}): the passphrase is wrong, or the file is damaged; copy it again, or "
            f"{instead}; if this host is too slow or too busy, try again when it is idle"
        ) from None
