"""Files that nobody else may read or change: how they are opened, written and judged."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pki.errors import Damaged, PkiError, Unwritable

SECRET_MODE = 0o600
PUBLIC_MODE = 0o644
DIRECTORY_MODE = 0o755
PRIVATE_DIRECTORY_MODE = 0o700
LARGEST_FILE = 16 * 1024 * 1024

_ADVICE = {
    errno.ENOENT: "mkdir -p {parent}",
    errno.ENOSPC: "make room on the file system, then run the command again",
    errno.EDQUOT: "make room in the quota, then run the command again",
    errno.EROFS: "remount it for writing, or set PKI_DIR to another directory",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever the file system refuses becomes one message that names the file.

    Raises:
        Unwritable: with what can be done about it.
    """
    try:
        yield
    except PermissionError as error:
        raise Unwritable(f"{path} cannot be written: {error.strerror}", hint=f"ls -ld {path.parent}") from None
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, f"ls -ld {path.parent}").format(parent=path.parent)
        raise Unwritable(f"{path} cannot be written: {error.strerror}", hint=advice) from None


def read(path: Path) -> bytes:
    """The bytes of a file that must be there.

    Raises:
        Damaged: it is not there, no plain file, not readable, or absurdly large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Damaged(f"{path} is no plain file", hint=f"ls -l {path}")
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        hint = f"ls -l {path}; run this as its owner, or as root" if error.errno == errno.EACCES else f"ls -l {path}"
        raise Damaged(f"{path} cannot be read: {error.strerror}", hint=hint) from None
    if len(data) > LARGEST_FILE:
        raise Damaged(f"{path} is larger than {LARGEST_FILE >> 20} MiB: no file of a PKI is", hint=f"ls -l {path}")
    return data


def write_new(path: Path, data: bytes, *, secret: bool, owner: tuple[int, int] | None) -> None:
    """Create a file, whole and on the disk, or raise OSError; never through a link, never over another file.

    Args:
        owner: user and group; None leaves it to the process.
    """
    mode = SECRET_MODE if secret else PUBLIC_MODE
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        if owner:
            os.fchown(descriptor, *owner)
        if not secret:
            os.fchmod(descriptor, mode)  # whatever the umask: those who verify must be able to read it
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Put the names in a directory on the disk: without it a rename may be lost in a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int) -> None:
    """Make a directory where there is none, and refuse one that is not safe to write to.

    Raises:
        Damaged: it is a link or no directory, or others may change it.
        Unwritable: it cannot be made.
    """
    with writing(path):
        try:
            path.mkdir(mode=mode)
        except FileExistsError:
            pass
        else:
            path.chmod(mode)  # new and empty; the umask may have taken away what services need
            sync_directory(path.parent)
    if problem := directory_problem(path):
        raise problem


def directory_problem(path: Path) -> PkiError | None:
    """Why files must not be written to a directory; None if they may."""
    try:
        status = path.lstat()
    except OSError as error:
        return Damaged(f"{path} cannot be read: {error.strerror}", hint=f"ls -ld {path}")
    if stat.S_ISLNK(status.st_mode):
        return Damaged(
            f"{path} is a symbolic link, and keys are never written through one",
            hint=f"rm {path}, or name the real directory in PKI_DIR",
        )
    if not stat.S_ISDIR(status.st_mode):
        return Damaged(f"{path} is no directory", hint=f"mv {path} {path}.aside")
    if status.st_mode & 0o022:
        who = "everybody" if status.st_mode & 0o002 else "its group"
        return Damaged(f"{path} can be changed by {who}: whoever may can replace a key", hint=f"chmod go-w {path}")
    return None


def secret_problem(path: Path) -> PkiError | None:
    """Why a key file is not as private as it must be; None if it is.

    Raises:
        OSError: it cannot be looked at.
    """
    status = path.stat()
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        return Damaged(f"{path} has mode {mode:04o}: others can read or change the key", hint=f"chmod 600 {path}")
    return None


def owner_to_be(path: Path) -> tuple[int, int] | None:
    """Who a file that is replaced must belong to: as before, or whom its directory belongs to.

    Redis runs as its own user; a renewal by root that took the key away from it would be an outage at the next
    restart. Only root can give files away.

    Raises:
        Unwritable: the file belongs to somebody else, and we are not root.
    """
    status = path.lstat() if os.path.lexists(path) else path.parent.stat()
    if os.geteuid() == 0:
        return status.st_uid, status.st_gid
    if os.path.lexists(path) and status.st_uid != os.geteuid():
        raise Unwritable(
            f"{path} belongs to user {status.st_uid}, and this is user {os.geteuid()}",
            hint="run the command as that user, or as root",
        )
    return None
