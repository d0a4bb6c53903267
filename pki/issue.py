"""One more identity: a second worker, an operator, a machine that keeps its key to itself."""

from datetime import timedelta

from cryptography import x509

from pki import profile
from pki.errors import InvalidInput, Refused
from pki.keys import key_pem, pem
from pki.names import Identity, Role, San
from pki.session import Ceremony

_RUNS_ON_RECORD = timedelta(days=30)  # after their end; every run has one, and the record is read at each issuing


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
    _check(sitting, identity, sans)
    if request is None:
        certificate = sitting.issue(identity, sans)
    else:
        certificate = sitting.certify(identity, sans, request.public_key())
        if (key := sitting.store.files(identity).key).exists():
            sitting.drop(key)
    sitting.commit(keep_replaced=True)
    return certificate


def hand_out(sitting: Ceremony, identity: Identity, sans: tuple[San, ...] = ()) -> bytes:
    """A certificate and a new key for whoever takes them away, in PEM: on record, but in no file here.

    Raises:
        InvalidInput, Refused: as `issue` does.
    """
    _check(sitting, identity, sans)
    key = profile.new_key()
    certificate = sitting.sign(identity, sans, key.public_key())
    sitting.record = sitting.record.without_ended(Role.RUN, sitting.now - _RUNS_ON_RECORD)
    sitting.commit()
    return pem(certificate) + key_pem(key)


def _check(sitting: Ceremony, identity: Identity, sans: tuple[San, ...]) -> None:
    if sans and not identity.role.is_server:
        raise InvalidInput(
            f"nobody connects to the role {identity.role}: its certificate carries its identity alone",
            hint="leave --san out",
        )
    _check_free(sitting, identity)


def _check_free(sitting: Ceremony, identity: Identity) -> None:
    present = sitting.store.certificate(identity)
    if present is None or sitting.record.is_revoked(present) or present.not_valid_after_utc <= sitting.now:
        return
    raise Refused(
        f"{identity} has a certificate, valid until {present.not_valid_after_utc:%Y-%m-%d}:"
        f" {sitting.store.files(identity).certificate}",
        hint=f"bringup pki renew {identity} --force; or revoke it first: bringup pki revoke {identity}",
    )
