"""What is kept of a run for months and read rarely: compressed, with zlib."""

import zlib

from bringup import errors

# Bytes, unpacked: that of a report (`api.http.body`). Without a bound a few kB in Redis could fill the API's memory.
_MOST = 16 * 1024**2


def pack(text: bytes) -> bytes:
    """What `unpack` makes ``text`` of."""
    return zlib.compress(text)


def unpack(stored: bytes) -> bytes:
    """What was packed. Raises CorruptRecord."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(stored, _MOST)
    except zlib.error as error:
        raise errors.CorruptRecord(f"what was packed cannot be read: {error}") from error
    if not unpacking.eof:
        raise errors.CorruptRecord("what was packed is not whole, or too long")
    return text
