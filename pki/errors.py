"""Every error that the PKI raises on purpose, as one tree.

::

    PkiError
    ├── InvalidInput     a name, an address or a request that must not be certified; nothing was made
    ├── NotSetUp         there is no CA here yet
    ├── CaKeyLocked      the CA key is encrypted, and the passphrase is missing or wrong
    ├── Refused          possible, but it would break or weaken something
    ├── Damaged          a file is not what it must be
    └── CouldNotRun      nothing is wrong with the PKI, the work could not be done
        ├── Locked       another command is at work
        └── Unwritable   the directory is read-only, full, or belongs to another user
"""


class PkiError(Exception):
    """What happened, and to which file.

    Args:
        message: one sentence for the operator; it never holds a secret.
        hint: the command or step that corrects it, if there is one.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


class InvalidInput(PkiError):
    """A name, an address or a request that must not be certified; nothing was made."""


class NotSetUp(PkiError):
    """There is no CA here yet."""


class CaKeyLocked(PkiError):
    """The CA key is encrypted, and its passphrase is missing or wrong."""


class Refused(PkiError):
    """Possible, but it would break or weaken something."""


class Damaged(PkiError):
    """A file is not what it must be: unreadable, of another generation, or open to others."""


class CouldNotRun(PkiError):
    """The work could not be done; the PKI is as it was."""


class Locked(CouldNotRun):
    """Another command is at work in the same directory; the message names it."""


class Unwritable(CouldNotRun):
    """A file or directory cannot be written; the message has the reason."""
