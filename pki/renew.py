"""Renewing what nears its end. Running it daily costs nothing: what is not due is left alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from pki.authority import signer_of
from pki.crl import read_all
from pki.errors import Damaged
from pki.files import read
from pki.keys import fits, read_key
from pki.names import Identity
from pki.session import Ceremony
from pki.setup import together

TWO_THIRDS = 2 / 3


@dataclass(frozen=True)
class Renewal:
    """What renewing means for one identity, or why it is left alone."""

    identity: Identity
    certificate: x509.Certificate | None
    due: bool
    reason: str
    attention: bool = False  # a person must do something


def is_due(start: datetime, end: datetime, now: datetime, renew_days: int) -> bool:
    """Past two thirds of its life, or fewer than ``renew_days`` days before its end."""
    return now >= start + (end - start) * TWO_THIRDS or end - now < timedelta(days=renew_days)


def plan(
    sitting: Ceremony, identities: Sequence[Identity], *, renew_days: int, force: bool, rekey: bool = False
) -> Iterator[Renewal]:
    """For each identity whether it is renewed, and why. What is damaged does not keep the others from it.

    Args:
        force: renew what is not due as well. What is revoked is never renewed.
        rekey: with new keys, which can be made for those only whose keys are here.
    """
    for identity in identities:
        try:
            yield _judge(
                sitting, identity, _present(sitting, identity), renew_days=renew_days, force=force, rekey=rekey
            )
        except Damaged as error:
            yield Renewal(identity, None, due=False, reason=f"{error}; {error.hint}", attention=True)


def carry_out(sitting: Ceremony, renewals: Sequence[Renewal], *, rekey: bool) -> None:
    """Renew what is due: the same names, the same key unless ``rekey``."""
    for renewal in renewals:
        if renewal.due and renewal.certificate is not None:
            _renew(sitting, renewal.identity, renewal.certificate, rekey=rekey)


def crl_is_due(sitting: Ceremony) -> bool:
    """Whether a CRL is missing, or no longer lasts for two thirds of what a new one would, or lasts longer than one.

    So a daily timer replaces it long before it ends, and one that was made under a longer CRL_DAYS.
    """
    path = sitting.store.ca_crl
    if not path.exists():
        return True
    end = min(one.next_update_utc or one.last_update_utc for one in read_all(read(path), str(path)))
    left, fresh = end - sitting.now, timedelta(days=sitting.validity.crl_days)
    if fresh * TWO_THIRDS <= left <= fresh:
        return False
    return left > fresh or end < sitting.authority.certificate.not_valid_after_utc  # it never outlives its CA


def _present(sitting: Ceremony, identity: Identity) -> x509.Certificate:
    certificate = sitting.store.certificate(identity)
    if certificate is None:
        path = sitting.store.files(identity).certificate
        raise Damaged(f"{path} does not exist, so there is nothing to renew", hint="bringup pki setup")
    return certificate


def _judge(
    sitting: Ceremony, identity: Identity, certificate: x509.Certificate, *, renew_days: int, force: bool, rekey: bool
) -> Renewal:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (end - sitting.now).days
    due = force or is_due(start, end, sitting.now, renew_days)
    hindrance = _distrusted(sitting, identity, certificate, force=force, rekey=rekey)
    if due and not hindrance:
        if not rekey:
            _check_key(sitting, identity, certificate)
        hindrance = _impossible(sitting, identity, end, force=force, rekey=rekey)
    if hindrance:
        return Renewal(identity, certificate, due=False, reason=hindrance, attention=True)
    left = f"{days} days left" if days >= 0 else "expired"
    return Renewal(identity, certificate, due=due, reason=left if due else f"not due: {left}")


def _distrusted(
    sitting: Ceremony, identity: Identity, certificate: x509.Certificate, *, force: bool, rekey: bool
) -> str:
    """Why a certificate must not simply be continued; empty if it may."""
    if sitting.record.is_revoked(certificate):
        return f"revoked: never renewed; bringup pki issue {identity.role} --name {identity.name} makes a new one"
    if sitting.record.has_revoked_key(certificate.public_key()) and not rekey:
        return f"a certificate of the same key was revoked; bringup pki renew {identity} --rekey --force"
    if signer_of(certificate, sitting.trusted) is None and not force:
        return f"not signed by this CA; bringup pki renew {identity} --force replaces it"
    return ""


def _impossible(sitting: Ceremony, identity: Identity, end: datetime, *, force: bool, rekey: bool) -> str:
    """Why what is due cannot be renewed, or would gain nothing; empty if it can."""
    if rekey and not identity.is_standard and not sitting.store.files(identity).key.exists():
        return (
            f"its key is on its own machine: make a new request there, revoke {identity}, "
            f"then bringup pki issue {identity.role} --name {identity.name} --csr FILE"
        )
    if not force and _ends_with_ca(sitting, end):
        days = (end - sitting.now).days
        return f"{days} days left, and its CA ends with it: bringup pki rollover start"
    return ""


def _ends_with_ca(sitting: Ceremony, end: datetime) -> bool:
    """Renewing would gain less than a day: without this, the last year of a CA is a renewal every night."""
    authority_end = sitting.authority.certificate.not_valid_after_utc
    gain = min(sitting.now + timedelta(days=sitting.validity.leaf_days), authority_end) - end
    return gain < timedelta(days=1) and end > sitting.now


def _check_key(sitting: Ceremony, identity: Identity, certificate: x509.Certificate) -> None:
    files = sitting.store.files(identity)
    if files.key.exists() and not fits(read_key(files.key), certificate):
        raise Damaged(
            f"{files.key} does not fit {files.certificate}",
            hint=f"bringup pki renew {identity} --rekey --force makes both anew",
        )


def _renew(sitting: Ceremony, identity: Identity, certificate: x509.Certificate, *, rekey: bool) -> None:
    sans = together(certificate, ())
    if rekey:
        sitting.issue(identity, sans)
    else:
        sitting.certify(identity, sans, certificate.public_key())
