"""One more identity: a second worker, an operator, a machine that keeps its key to itself."""

from cryptography import x509

from pki.ceremony import Ceremony
from pki.errors import InvalidInput, Refused
from pki.names import Identity, San


def issue(
    sitting: Ceremony,
    identity: Identity,
    sans: tuple[San, ...] = (),
    *,
    request: x509.CertificateSigningRequest | None = None,
) -> x509.Certificate:
    """A certificate for an identity that has no usable one yet.

    Args:
        request: certify its key; without one a new key is made and written.

    Raises:
        InvalidInput: a name that a client has no use for.
        Refused: it has a usable certificate, or the request's key was revoked.
    """
    if sans and not identity.role.is_server:
        raise InvalidInput(
            f"nobody connects to the role {identity.role}: its certificate carries its identity alone",
            mend="leave --san out",
        )
    _check_free(sitting, identity)
    if request is None:
        certificate = sitting.issue(identity, sans)
    else:
        certificate = sitting.certify(identity, sans, request.public_key())
        if (key := sitting.store.files(identity).key).exists():
            sitting.drop(key)
    sitting.commit(keep_replaced=True)
    return certificate


def _check_free(sitting: Ceremony, identity: Identity) -> None:
    present = sitting.store.certificate(identity)
    if present is None or sitting.record.is_revoked(present) or present.not_valid_after_utc <= sitting.now:
        return
    raise Refused(
        f"{identity} has a certificate, valid until {present.not_valid_after_utc:%Y-%m-%d}:"
        f" {sitting.store.files(identity).certificate}",
        mend=f"bringup pki renew {identity} --force; or revoke it first: bringup pki revoke {identity}",
    )
