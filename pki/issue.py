"""One more identity: a second worker, an operator, a machine that keeps its key to itself.

That of a person is put into one file, which a browser imports. Source: RFC 7292 (PKCS #12).
"""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from pki import authority, errors, files, names, profile
from pki.session import CaSession
from pki.store import Store

# How long a run's certificate stays in the ledger after its end, unless it was revoked. Every run has one, and the
# ledger is read at each issuing: without this limit it would grow by every run for ever. An ended certificate is
# refused everywhere, so the ledger protects nothing by it; a month is for looking things up.
_KEEP_ENDED_RUNS = timedelta(days=30)


def issue(
    session: CaSession,
    identity: names.Identity,
    sans: tuple[names.San, ...] = (),
    *,
    request: x509.CertificateSigningRequest | None = None,
) -> x509.Certificate:
    """A certificate for an identity that has no usable one yet.

    Args:
        session: committed here; what is replaced is kept as a backup.
        identity: the holder.
        sans: more names and addresses; for servers only.
        request: certify its key; without one a new key is made and written.

    Raises:
        InvalidInput: a name that a client has no use for.
        Refused: it has a usable certificate, or the request's key was revoked.
    """
    _check(session, identity, sans)
    if request is None:
        certificate = session.issue(identity, sans)
    else:
        certificate = session.certify(identity, sans, request.public_key())
        if (key := session.store.files(identity).key).exists():
            session.drop(key)
    session.commit(backup=True)
    return certificate


def issue_ephemeral(session: CaSession, identity: names.Identity, sans: tuple[names.San, ...] = ()) -> bytes:
    """A certificate and a new key, in PEM, for a caller that stores them: in the ledger, but in no file here.

    Args:
        session: committed here.
        identity: the holder.
        sans: more names and addresses; for servers only.

    Raises:
        InvalidInput, Refused: as `issue` does.
    """
    _check(session, identity, sans)
    key = profile.new_key()
    certificate = session.sign(identity, sans, key.public_key())
    session.ledger = session.ledger.without_ended(names.Role.RUN, session.now - _KEEP_ENDED_RUNS)
    session.commit()
    return authority.pem(certificate) + authority.key_pem(key)


def _check(session: CaSession, identity: names.Identity, sans: tuple[names.San, ...]) -> None:
    if sans and not identity.role.is_server:
        raise errors.InvalidInput(
            f"the role {identity.role} is a client, no server: its certificate carries its identity alone",
            hint="omit --san",
        )
    _check_free(session, identity)


def _check_free(session: CaSession, identity: names.Identity) -> None:
    present = session.store.certificate(identity)
    if present is None or session.ledger.is_revoked(present) or present.not_valid_after_utc <= session.now:
        return
    raise errors.Refused(
        f"{identity} has a certificate, valid until {present.not_valid_after_utc:%Y-%m-%d}:"
        f" {session.store.files(identity).certificate}",
        hint=f"bringup pki renew {identity} --force; or revoke it first: bringup pki revoke {identity}",
    )


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
