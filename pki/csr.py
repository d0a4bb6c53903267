"""Certificate requests: only the key of a request is used, nothing else that it contains.

Source: RFC 2986; RFC 5280 s.4.2 (every extension is the issuer's decision).
"""

from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from pki.errors import InvalidInput

# Bytes. A request of an RSA key of 8192 bits is below 4 KiB; parsing costs grow with the size.
LARGEST_REQUEST = 64 * 1024

# Bits. Fewer than 2048 are weaker than NIST SP 800-57 part 1 allows; more than 8192
# make every handshake slow, and OpenSSL refuses keys above 16384.
LEAST_RSA_BITS = 2048
LARGEST_RSA_BITS = 8192

# What to do instead, in each message about a request.
NEW_KEY = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out request.pem -subj /"


def read_request(data: bytes, name: str) -> x509.CertificateSigningRequest:
    """A request in PEM or DER whose signature proves that the sender holds the key.

    Args:
        data: the request.
        name: what it is called in messages.

    Raises:
        InvalidInput: it is no request, its signature is bad, or its key is weak.
    """
    request = _parsed(data, name)
    if not _proves_possession(request):
        raise InvalidInput(
            f"{name}: the signature of the request is bad: its sender does not hold the key", hint=NEW_KEY
        )
    if weakness := key_weakness(_key(request, name)):
        raise InvalidInput(f"{name}: {weakness}", hint=NEW_KEY)
    return request


def key_weakness(key: CertificatePublicKeyTypes) -> str:
    """Why a public key must not be certified; empty if it may."""
    if isinstance(key, rsa.RSAPublicKey):
        if LEAST_RSA_BITS <= key.key_size <= LARGEST_RSA_BITS:
            return ""
        return f"an RSA key of {key.key_size} bits; {LEAST_RSA_BITS} to {LARGEST_RSA_BITS} are accepted"
    if isinstance(key, ec.EllipticCurvePublicKey):
        known = isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
        return "" if known else f"an EC key on {key.curve.name}; P-256, P-384 and P-521 are accepted"
    return "a key that is neither EC nor RSA"


def ignored(request: x509.CertificateSigningRequest) -> Iterator[str]:
    """What a request asked for and does not get, in words."""
    try:
        wanted = request.subject.rfc4514_string()
    except (ValueError, TypeError):
        wanted = "that cannot be read"
    if wanted:
        yield f"subject {wanted!r}"
    try:
        extensions = list(request.extensions)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        yield "extensions that cannot be read"
        return
    for extension in extensions:
        yield _in_words(extension)


def _in_words(extension: x509.Extension[x509.ExtensionType]) -> str:
    value = extension.value
    if isinstance(value, x509.BasicConstraints) and value.ca:
        return "to be a CA"
    if isinstance(value, x509.SubjectAlternativeName):
        return f"names {', '.join(repr(str(name.value)) for name in value)} (use --san)"
    return f"extension {extension.oid.dotted_string}"


def _parsed(data: bytes, name: str) -> x509.CertificateSigningRequest:
    if len(data) > LARGEST_REQUEST:
        raise InvalidInput(f"{name} is larger than {LARGEST_REQUEST >> 10} KiB: no certificate request is")
    load = x509.load_pem_x509_csr if b"-----BEGIN" in data else x509.load_der_x509_csr
    try:
        return load(data)
    except (ValueError, x509.InvalidVersion):
        raise InvalidInput(f"{name} is no certificate request (PKCS #10)", hint=NEW_KEY) from None


def _key(request: x509.CertificateSigningRequest, name: str) -> CertificatePublicKeyTypes:
    try:
        return request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(f"{name}: its key is of a kind that cannot be read", hint=NEW_KEY) from None


def _proves_possession(request: x509.CertificateSigningRequest) -> bool:
    try:
        strong = not isinstance(request.signature_hash_algorithm, (hashes.MD5, hashes.SHA1))
        valid = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        return False
    return strong and valid
