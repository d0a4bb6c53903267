"""A place in a file that can be found again after a restart, whatever the file is called by then."""

from datetime import UTC, datetime
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, NonNegativeInt

HEAD = 4096  # bytes; more than any header, so that it takes in the first record, which differs per generation


class Position(BaseModel):
    """How far a file was read, and which file that was.

    An inode number is used again once its file is gone, and a copy has another one; what was read at the
    beginning of a file does not change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: int  # st_dev
    inode: NonNegativeInt  # st_ino
    offset: NonNegativeInt  # behind the last record that is done, bytes
    written_ns: int  # st_mtime of the file when it was last read, nanoseconds since the epoch
    head_sha256: str  # of the first `head_length` bytes, hexadecimal

    @property
    def head_length(self) -> int:
        """How many bytes of the beginning name the file: never more than were read."""
        return min(self.offset, HEAD)

    @property
    def written_at(self) -> datetime:
        """When the file was last written, as far as we know."""
        return datetime.fromtimestamp(self.written_ns / 1e9, UTC)

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` may be the one that was read."""
        return len(head) >= self.head_length and digest(head[: self.head_length]) == self.head_sha256


def digest(head: bytes) -> str:
    """SHA-256, hexadecimal."""
    return sha256(head).hexdigest()
