"""A place in a file that can be found again after a restart, whatever the file is called by then."""

from datetime import UTC, datetime
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, NonNegativeInt

TAIL = 1024  # bytes just before a place; more than one record
HEAD = 4096  # bytes; more than any header, so that it takes in the first record, which differs per generation


class Position(BaseModel):
    """How far a file was read, and which file that was.

    An inode number is used again once its file is gone, and a copy has another one; what was read at the
    beginning of a file does not change. A lease file that was written anew may begin as it did before, and even get
    the same inode again: so the bytes just before our place must be the same too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: int  # st_dev
    inode: NonNegativeInt  # st_ino
    offset: NonNegativeInt  # behind the last record that is done, bytes
    written_ns: int  # st_mtime of the file when it was last read, nanoseconds since the epoch
    head_sha256: str  # of the first `head_length` bytes, hexadecimal
    tail_sha256: str = ""  # of the `tail_length` bytes before the offset; empty: not known

    @property
    def head_length(self) -> int:
        """How many bytes of the beginning name the file: never more than were read."""
        return min(self.offset, HEAD)

    @property
    def tail_length(self) -> int:
        """How many bytes before our place name the file."""
        return min(self.offset, TAIL)

    @property
    def written_at(self) -> datetime:
        """When the file was last written, as far as we know."""
        return datetime.fromtimestamp(self.written_ns / 1e9, UTC)

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` may be the one that was read."""
        return len(head) >= self.head_length and digest(head[: self.head_length]) == self.head_sha256

    def follows(self, tail: bytes) -> bool:
        """Whether our place may be just behind ``tail``."""
        return not self.tail_sha256 or digest(tail) == self.tail_sha256


def digest(head: bytes) -> str:
    """SHA-256, hexadecimal."""
    return sha256(head).hexdigest()
