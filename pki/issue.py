"""One more identity: a second worker, an operator, a machine that keeps its key to itself."""

from datetime import timedelta

from cryptography import x509

from pki import authority, errors, names, profile
from pki.session import CaSession

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
