"""Renewing what nears its end. Running it daily costs nothing: what is not due is left alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from pki.authority import signer_of
from pki.ceremony import Ceremony
from pki.crl import read_all
from pki.errors import Damaged
from pki.files import read
from pki.keys import fits, read_key
from pki.names import Identity
from pki.setup import together

TWO_THIRDS = 2 / 3


@dataclass(frozen=True)
class Renewal:
    """What renewing means for one identity, or why it is left alone."""

    identity: Identity
    certificate: x509.Certificate
    due: bool
    reason: str
    attention: bool = False  # a person must do something


def is_due(start: datetime, end: datetime, now: datetime, renew_days: int) -> bool:
    """Past two thirds of its life, or fewer than ``renew_days`` days before its end."""
    return now >= start + (end - start) * TWO_THIRDS or end - now < timedelta(days=renew_days)


def plan(
    sitting: Ceremony, identities: Sequence[Identity], *, renew_days: int, force: bool, rekey: bool = False
) -> Iterator[Renewal]:
    """For each identity whether it is renewed, and why.

    Args:
        force: renew what is not due as well. What is revoked is never renewed.
        rekey: with new keys, which can be made for those only whose keys are here.

    Raises:
        Damaged: a certificate cannot be read.
    """
    for identity in identities:
        certificate = sitting.store.certificate(identity)
        if certificate is None:
            path = sitting.store.files(identity).certificate
            raise Damaged(f"{path} does not exist, so there is nothing to renew", mend="bringup pki setup")
        renewal = _judge(sitting, identity, certificate, renew_days=renew_days, force=force)
        yield _without_key(sitting, renewal) if rekey and renewal.due else renewal


def carry_out(sitting: Ceremony, renewals: Sequence[Renewal], *, rekey: bool) -> None:
    """Renew what is due: the same names, the same key unless ``rekey``.

    Raises:
        Damaged: a key does not fit its certificate.
    """
    for renewal in renewals:
        _renew(sitting, renewal, rekey=rekey)


def crl_is_due(sitting: Ceremony, renew_days: int) -> bool:
    """Whether a CRL is missing, past two thirds of its life, or near its end."""
    path = sitting.store.ca_crl
    if not path.exists():
        return True
    lists = read_all(read(path), str(path))
    ends = [(one.last_update_utc, one.next_update_utc or one.last_update_utc) for one in lists]
    return any(is_due(start, end, sitting.now, renew_days) for start, end in ends) and _crl_can_gain(sitting, ends)


def _crl_can_gain(sitting: Ceremony, ends: Sequence[tuple[datetime, datetime]]) -> bool:
    """A CRL lasts no longer than its CA: one that ends with it is as fresh as it can be."""
    return min(end for _, end in ends) < sitting.authority.certificate.not_valid_after_utc


def _judge(
    sitting: Ceremony, identity: Identity, certificate: x509.Certificate, *, renew_days: int, force: bool
) -> Renewal:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (end - sitting.now).days
    if sitting.record.is_revoked(certificate):
        reason = f"revoked: never renewed; bringup pki issue {identity.role} --name {identity.name} makes a new one"
        return Renewal(identity, certificate, due=False, reason=reason, attention=True)
    if force:
        return Renewal(identity, certificate, due=True, reason="--force")
    if signer_of(certificate, sitting.trusted) is None:
        reason = f"not signed by this CA; bringup pki renew {identity} --force replaces it"
        return Renewal(identity, certificate, due=False, reason=reason, attention=True)
    if not is_due(start, end, sitting.now, renew_days):
        return Renewal(identity, certificate, due=False, reason=f"not due: {days} days left")
    if _ends_with_ca(sitting, end):
        reason = f"{days} days left, and its CA ends with it: bringup pki rollover start"
        return Renewal(identity, certificate, due=False, reason=reason, attention=True)
    return Renewal(identity, certificate, due=True, reason=f"{days} days left" if days >= 0 else "expired")


def _without_key(sitting: Ceremony, renewal: Renewal) -> Renewal:
    identity = renewal.identity
    if identity.is_standard or sitting.store.files(identity).key.exists():
        return renewal
    reason = (
        f"its key is on its own machine: make a new request there, revoke {identity}, "
        f"then bringup pki issue {identity.role} --name {identity.name} --csr FILE"
    )
    return replace(renewal, due=False, reason=reason, attention=True)


def _ends_with_ca(sitting: Ceremony, end: datetime) -> bool:
    """Renewing would gain less than a day: without this, the last year of a CA is a renewal every night."""
    authority_end = sitting.authority.certificate.not_valid_after_utc
    gain = min(sitting.now + timedelta(days=sitting.validity.leaf_days), authority_end) - end
    return gain < timedelta(days=1) and end > sitting.now


def _renew(sitting: Ceremony, renewal: Renewal, *, rekey: bool) -> None:
    identity, certificate = renewal.identity, renewal.certificate
    files = sitting.store.files(identity)
    sans = together(certificate, ())
    if rekey:
        sitting.issue(identity, sans)
        return
    if files.key.exists() and not fits(read_key(files.key), certificate):
        raise Damaged(
            f"{files.key} does not fit {files.certificate}",
            mend="restore the right one from a backup, or make both anew:"
            f" bringup pki renew {identity} --rekey --force",
        )
    sitting.certify(identity, sans, certificate.public_key())
