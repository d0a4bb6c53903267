"""Files on the disk: read and written in one piece, synced, private where they must be, and locked against others."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pki.errors import Damaged, Locked, PkiError, Unwritable

# Keys and the ledger: their owner alone. Certificates and lists: every service reads them as its own user.
SECRET_MODE = 0o600
PUBLIC_MODE = 0o644

# Bytes. A ledger of 20,000 certificates is below it; a path that names a device or an image must not fill the memory.
LARGEST_FILE = 16 * 1024 * 1024

# Seconds between two attempts at a lock: flock itself waits for ever or not at all.
_LOCK_RETRY_S = 0.05

_ADVICE = {
    errno.ENOENT: "mkdir -p {parent}",
    errno.ENOSPC: "make room on the file system, then run the command again",
    errno.EDQUOT: "make room in the quota, then run the command again",
    errno.EROFS: "remount it for writing, or set PKI_DIR to another directory",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn every refusal of the file system into one message that names the file.

    Raises:
        Unwritable: its hint is what can be done about it.
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
    """Create a file, whole and on the disk; never through a link, never over another file.

    Args:
        path: where nothing is yet; its directory is not synced (`sync_directory`).
        data: all of it.
        secret: readable by its owner only; otherwise by everybody, whatever the umask.
        owner: user and group; None for those of the process.

    Raises:
        OSError: the file system refused it.
    """
    mode = SECRET_MODE if secret else PUBLIC_MODE
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        if owner:
            os.fchown(descriptor, *owner)
        if not secret:
            os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        # Without it a power cut after the rename may leave an empty file under the name of the old one.
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Write the names in a directory to the disk: without it a rename may be lost in a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def staged_name(path: Path) -> Path:
    """Where the new contents of a file wait: in its own directory, so that the switch is one rename."""
    return path.with_name(f".{path.name}.new")


def write_atomic(path: Path, data: bytes, *, before_rename: Callable[[], None] = lambda: None) -> None:
    """Replace a private file: after a crash at any point the old one is whole, or the new one is.

    Args:
        path: the file; it need not exist.
        data: its new contents.
        before_rename: called when the new file is complete and the old one still in place.

    Raises:
        OSError: the file system refused it; the old file is unchanged.
    """
    staged = staged_name(path)
    staged.unlink(missing_ok=True)  # of a process that was killed; `write_new` overwrites nothing
    write_new(staged, data, secret=True, owner=None)
    before_rename()
    staged.replace(path)
    sync_directory(path.parent)


def make_directory(path: Path, *, private: bool = False) -> None:
    """Make a directory where there is none, and refuse one that is not safe to write to.

    Args:
        path: its parent must exist.
        private: readable by its owner only, if it is made now.

    Raises:
        Damaged: it is a link or no directory, or others may change it.
        Unwritable: it cannot be made.
    """
    mode = 0o700 if private else 0o755
    with writing(path):
        try:
            path.mkdir(mode=mode)
        except FileExistsError:
            pass
        else:
            path.chmod(mode)  # the umask may have removed what services need
            _give_to_owner_of_parent(path)
            sync_directory(path.parent)
    if problem := directory_problem(path):
        raise problem


def _give_to_owner_of_parent(path: Path) -> None:
    """As files: what root makes for the owner of the directory above must be of use to the timers of that user."""
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid, follow_symlinks=False)


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
        return Damaged(f"{path} is no directory", hint=f"mv {path} {path}.backup")
    if status.st_mode & 0o022:
        who = "everybody" if status.st_mode & 0o002 else "its group"
        return Damaged(f"{path} can be changed by {who}, and so can the keys in it", hint=f"chmod go-w {path}")
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


@contextmanager
def exclusive_lock(path: Path, command: str, *, wait_s: float = 0) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel frees it if the process dies.

    Without it two commands would each write a ledger that lacks the certificate of the other.

    Args:
        path: the lock file; it is made where it does not exist.
        command: what the holder does, for the message to the next.
        wait_s: how long to wait for another to end, in seconds.

    Raises:
        Locked: another process holds it.
        Unwritable: the lock file cannot be made.
    """
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, SECRET_MODE)
    try:
        _take(descriptor, fcntl.LOCK_EX, path, wait_s)
        with writing(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}: {command}".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)  # a later holder that only reads must not be taken for this command
    finally:
        os.close(descriptor)


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Keep writers out while the block reads: without it a check could see half of a change.

    Where the lock file cannot be opened there is no writer to wait for.

    Raises:
        Locked: a command is changing the files right now.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        _take(descriptor, fcntl.LOCK_SH, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, path: Path, wait_s: float = 0) -> None:
    end = time.monotonic() + wait_s
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                break
        time.sleep(_LOCK_RETRY_S)
    holder = os.pread(descriptor, 500, 0).decode(errors="replace") or "a command that reads"
    raise Locked(f"{path} is held by {holder}", hint="wait until it has ended, then run this again")
