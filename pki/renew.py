"""Renewing what nears its end. Running it daily costs nothing: what is not due is unchanged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from pki import authority, crl, errors, names, setup
from pki.session import CaSession

# The share of its validity after which a certificate or a list is renewed: a third is left for a timer that fails to be
# noticed, whatever the validity.
TWO_THIRDS = 2 / 3


@dataclass(frozen=True)
class Renewal:
    """Whether the certificate of one identity is renewed, and why."""

    identity: names.Identity
    certificate: x509.Certificate | None
    due: bool
    reason: str
    attention: bool = False  # an operator must do something


def is_due(start: datetime, end: datetime, now: datetime, renew_days: int) -> bool:
    """Whether it is past two thirds of its validity, or near its end.

    Args:
        start: when it becomes valid.
        end: when it ends.
        now: the time to judge at.
        renew_days: fewer days than these before its end are near.
    """
    return now >= start + (end - start) * TWO_THIRDS or end - now < timedelta(days=renew_days)


def plan(
    session: CaSession, identities: Sequence[names.Identity], *, renew_days: int, force: bool, rekey: bool = False
) -> Iterator[Renewal]:
    """For each identity whether it is renewed, and why. A damaged one does not keep the others from it.

    Args:
        session: nothing is changed in it.
        identities: whose certificates to look at.
        renew_days: fewer days than these before its end make a certificate due.
        force: renew what is not due as well. What is revoked is never renewed.
        rekey: with new keys, which can be made for those only whose keys are here.
    """
    for identity in identities:
        try:
            yield _judge(
                session, identity, _present(session, identity), renew_days=renew_days, force=force, rekey=rekey
            )
        except errors.Damaged as error:
            yield Renewal(identity, None, due=False, reason=f"{error}; {error.hint}", attention=True)


def apply(session: CaSession, renewals: Sequence[Renewal], *, rekey: bool) -> None:
    """Renew what is due, with the same names.

    Args:
        session: what is renewed appears at its `commit`.
        renewals: as `plan` made them.
        rekey: with new keys.

    Raises:
        Refused: the CA cannot sign now.
    """
    for renewal in renewals:
        if renewal.due and renewal.certificate is not None:
            _renew(session, renewal.identity, renewal.certificate, rekey=rekey)


def crl_is_due(session: CaSession) -> bool:
    """Whether a CRL is missing, or no longer lasts for two thirds of what a new one would, or lasts longer than one.

    So a daily timer replaces it long before it ends, and one that was made under a longer CRL_DAYS.
    """
    path = session.store.ca_crl
    if not path.exists():
        return True
    end = min(one.next_update_utc or one.last_update_utc for one in crl.read_crls(path))
    left, fresh = end - session.now, timedelta(days=session.validity.crl_days)
    if fresh * TWO_THIRDS <= left <= fresh:
        return False
    return left > fresh or end < session.authority.certificate.not_valid_after_utc  # it never outlives its CA


def _present(session: CaSession, identity: names.Identity) -> x509.Certificate:
    certificate = session.store.certificate(identity)
    if certificate is None:
        path = session.store.files(identity).certificate
        raise errors.Damaged(f"{path} does not exist, so there is nothing to renew", hint="bringup pki setup")
    return certificate


def _judge(
    session: CaSession,
    identity: names.Identity,
    certificate: x509.Certificate,
    *,
    renew_days: int,
    force: bool,
    rekey: bool,
) -> Renewal:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (end - session.now).days
    due = force or is_due(start, end, session.now, renew_days)
    blocker = _distrusted(session, identity, certificate, force=force, rekey=rekey)
    if due and not blocker:
        if not rekey:
            _check_key(session, identity, certificate)
        blocker = _impossible(session, identity, end, force=force, rekey=rekey)
    if blocker:
        return Renewal(identity, certificate, due=False, reason=blocker, attention=True)
    left = f"{days} days left" if days >= 0 else "expired"
    return Renewal(identity, certificate, due=due, reason=left if due else f"not due: {left}")


def _distrusted(
    session: CaSession, identity: names.Identity, certificate: x509.Certificate, *, force: bool, rekey: bool
) -> str:
    """Why a certificate must not simply be continued; empty if it may."""
    if session.ledger.is_revoked(certificate):
        return f"revoked: never renewed; bringup pki issue {identity.role} --name {identity.name} makes a new one"
    if session.ledger.has_revoked_key(certificate.public_key()) and not rekey:
        return f"a certificate of the same key was revoked; bringup pki renew {identity} --rekey --force"
    if authority.signer_of(certificate, session.trusted) is None and not force:
        return f"not signed by this CA; bringup pki renew {identity} --force replaces it"
    return ""


def _impossible(session: CaSession, identity: names.Identity, end: datetime, *, force: bool, rekey: bool) -> str:
    """Why what is due cannot be renewed, or would gain nothing; empty if it can."""
    if rekey and not identity.is_standard and not session.store.files(identity).key.exists():
        return (
            f"its key is on its own machine: make a new request there, revoke {identity}, "
            f"then bringup pki issue {identity.role} --name {identity.name} --csr FILE"
        )
    if not force and _ends_with_ca(session, end):
        days = (end - session.now).days
        return f"{days} days left, and its CA ends with it: bringup pki rollover start"
    return ""


def _ends_with_ca(session: CaSession, end: datetime) -> bool:
    """Renewing would gain less than a day: without this, the last year of a CA is a renewal every night."""
    authority_end = session.authority.certificate.not_valid_after_utc
    gain = min(session.now + timedelta(days=session.validity.leaf_days), authority_end) - end
    return gain < timedelta(days=1) and end > session.now


def _check_key(session: CaSession, identity: names.Identity, certificate: x509.Certificate) -> None:
    files = session.store.files(identity)
    if files.key.exists() and not authority.fits(authority.read_key(files.key), certificate):
        raise errors.Damaged(
            f"{files.key} does not fit {files.certificate}",
            hint=f"bringup pki renew {identity} --rekey --force makes new ones",
        )


def _renew(session: CaSession, identity: names.Identity, certificate: x509.Certificate, *, rekey: bool) -> None:
    sans = setup.merge_sans(certificate, ())
    if rekey:
        session.issue(identity, sans)
    else:
        session.certify(identity, sans, certificate.public_key())
