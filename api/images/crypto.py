"""An image's secret: 32 random bytes in its address. Redis holds what it opens, and nothing that shows it."""

import hashlib
import secrets
from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def new_secret() -> str:
    """A secret for one minting of one run's image: 43 characters that may stand in an address."""
    return secrets.token_urlsafe(32)


def locator(secret: str) -> str:
    """Where Redis keeps what belongs to ``secret``: a look-up by hash, so that timing tells nothing of the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal(secret: str, content: bytes) -> bytes:
    """``content``, readable only with ``secret``."""
    return _cipher(secret).encrypt(content)


def unseal(secret: str, sealed: bytes) -> bytes:
    """What was sealed with ``secret``. Raises cryptography.fernet.InvalidToken for anything else."""
    return _cipher(secret).decrypt(sealed)


def _cipher(secret: str) -> Fernet:
    # The secret is as random as a key: it needs to be spread (RFC 5869), not to be stretched as a password would.
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"bringup run image").derive(secret.encode())
    return Fernet(urlsafe_b64encode(key))
