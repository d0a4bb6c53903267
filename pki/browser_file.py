"""Certificate and key of a person in one file that a browser imports. Source: RFC 7292 (PKCS #12)."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from pki import errors, files, names
from pki.store import Store


def browser_file(store: Store, identity: names.Identity, password: str) -> bytes:
    """The certificate, the key and the CA of ``identity``, encrypted with ``password``.

    Args:
        store: has both.
        identity: of a person: browsers belong to people.
        password: the browser asks for it once.

    Raises:
        Damaged: there is no certificate or no key of it here.
        Refused: the identity is no operator's, or its key is of a kind that we do not make.
    """
    if identity.role is not names.Role.OPERATOR:
        raise errors.Refused(
            f"{identity} is no person: only operators use a browser", hint="bringup pki issue operator --p12"
        )
    own = store.files(identity)
    key = load_pem_private_key(files.read(own.key), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise errors.Refused(f"{own.key} is no key of our PKI", hint=f"bringup pki renew {identity} --force --rekey")
    return pkcs12.serialize_key_and_certificates(
        identity.dns.encode(),
        key,
        x509.load_pem_x509_certificate(files.read(own.certificate)),
        x509.load_pem_x509_certificates(files.read(store.ca_certificate)),
        BestAvailableEncryption(password.encode()),
    )
