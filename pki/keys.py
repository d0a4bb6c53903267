"""Private keys in PEM files, the CA's perhaps encrypted."""

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pki.errors import CaKeyLocked, Damaged, PkiError
from pki.files import read, secret_problem

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Passphrase = Callable[[], str | None]


def no_passphrase() -> str | None:
    """Nobody there to ask."""
    return None


def read_key(path: Path, passphrase: Passphrase = no_passphrase) -> PrivateKey:
    """The private key in a file.

    Args:
        passphrase: asked only if the key is encrypted.

    Raises:
        Damaged: it is missing, open to others, or no key that we can use.
        CaKeyLocked: it is encrypted, and the passphrase is missing or wrong.
    """
    data = read(path)
    if problem := secret_problem(path):
        raise problem
    key = _decrypted(path, data, passphrase) if is_encrypted(data) else _loaded(path, data, None)
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise Damaged(f"{path} holds a key that is neither EC nor RSA", hint=f"openssl pkey -in {path} -noout -text")
    return key


def key_pem(key: PrivateKey, passphrase: str | None = None) -> bytes:
    """A key as PEM (PKCS #8, RFC 5958), encrypted if there is a passphrase."""
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def pem(*certificates: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Certificates or CRLs as one PEM text."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def is_encrypted(data: bytes) -> bool:
    """Whether a PEM key is encrypted: PKCS #8 or the older form of openssl."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in data or b"Proc-Type: 4,ENCRYPTED" in data


def fits(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Whether a certificate is for this key."""
    return key.public_key() == certificate.public_key()


def _decrypted(path: Path, data: bytes, passphrase: Passphrase) -> object:
    word = passphrase()
    if not word:
        raise CaKeyLocked(f"{path} is encrypted, and there is no passphrase", hint="set CA_KEY_PASSPHRASE")
    try:
        return _loaded(path, data, word)
    except PkiError:
        raise CaKeyLocked(f"{path}: the passphrase is wrong", hint="set CA_KEY_PASSPHRASE to the right one") from None


def _loaded(path: Path, data: bytes, passphrase: str | None) -> object:
    try:
        return load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except Exception:  # noqa: BLE001 - ValueError, TypeError, UnsupportedAlgorithm and OpenSSL's own
        raise Damaged(
            f"{path} holds no readable private key", hint=f"openssl pkey -in {path} -noout; restore it from a backup"
        ) from None
