"""Files that are encrypted with a passphrase, in the format of age: what a host is enrolled with, and backups."""

import time
from collections.abc import Callable

import pyrage

from bringup.errors import BringupError
from bringup.text import printable

# How age begins its refusal of a file whose opening takes too much work, by how fast this host is at that moment.
_TOO_MUCH_WORK = "Excessive work"
# How often that is measured, and seconds in between: on a host that runs other programs it differs tenfold in a second.
_TRIES, _PAUSE_S = 5, 0.5


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
    for _ in range(_TRIES):
        try:
            return bytes(pyrage.passphrase.decrypt(data, passphrase))
        except pyrage.DecryptError as error:
            why = printable(str(error).partition("\n")[0])
        if not why.startswith(_TOO_MUCH_WORK):
            break
        # Without another try a good file is refused because something else ran at that moment.
        time.sleep(_PAUSE_S)
    raise refusal(
        f"it cannot be opened ({why}): the passphrase is wrong, or the file is damaged; copy it again, or "
        f"{instead}; if this host is too slow or too busy, try again when it is idle"
    )
