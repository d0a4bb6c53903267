"""Files as age seals them with a passphrase, for tests that are about something else.

age chooses the work by the speed of the host: a second of processor for each file that is sealed, and again each time
that it is opened. These take a thousandth of that, and are opened by age as any other.
"""

import base64
import hashlib
import hmac
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_LOG_WORK = 8  # age itself chooses 18 or more
_CHUNK = 64 * 1024


def encrypt(data: bytes, passphrase: str) -> bytes:
    """The sealed file, as `pyrage.passphrase.encrypt`. Source: C2SP age.md, sections "Header", "scrypt", "Payload"."""
    key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    salted = b"age-encryption.org/v1/scrypt" + salt
    wrapping = hashlib.scrypt(passphrase.encode(), salt=salted, n=2**_LOG_WORK, r=8, p=1, dklen=32)
    wrapped = ChaCha20Poly1305(wrapping).encrypt(bytes(12), key, None)
    stanza = b"-> scrypt %b %d\n%b\n" % (_base64(salt), _LOG_WORK, _base64(wrapped))
    header = b"age-encryption.org/v1\n" + stanza + b"---"
    mac = hmac.digest(_derived(key, b"", b"header"), header, "sha256")
    return b"%b %b\n%b%b" % (header, _base64(mac), nonce, _payload(data, _derived(key, nonce, b"payload")))


def _payload(data: bytes, key: bytes) -> bytes:
    starts = range(0, max(len(data), 1), _CHUNK)
    cipher = ChaCha20Poly1305(key)
    return b"".join(
        cipher.encrypt(
            number.to_bytes(11, "big") + bytes([number == len(starts) - 1]), data[start : start + _CHUNK], None
        )
        for number, start in enumerate(starts)
    )


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, purpose).derive(key)


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")
