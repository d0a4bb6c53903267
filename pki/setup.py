"""Setting up: what is missing is made, what is there is left alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from pki.authority import Authority, signer_of
from pki.errors import Damaged, Refused
from pki.keys import fits, pem, read_key
from pki.ledger import Record
from pki.names import Identity, San, identity_of, sans_of, unique
from pki.opening import check_home
from pki.session import Ceremony


@dataclass(frozen=True)
class Wanted:
    """One identity that must have a certificate, and the names and addresses that it must cover."""

    identity: Identity
    sans: tuple[San, ...] = ()


@dataclass
class Outcome:
    """What was made, what was there already, and what a person should know."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    aside: Path | None = None


def set_up(sitting: Ceremony, wanted: Sequence[Wanted], *, passphrase: str | None = None) -> Outcome:
    """A CA and the wanted certificates; a second time it changes nothing.

    Args:
        passphrase: a new CA key is encrypted with it.

    Raises:
        Damaged: something is there that does not fit the rest; nothing was changed.
        Refused: the CA is trusted here, but lives on another machine.
    """
    outcome = Outcome()
    if _has_ca(sitting):
        check_home(sitting.store)
        outcome.kept.append("ca")
    else:
        _found(sitting, passphrase)
        outcome.made.append("ca")
    for want in wanted:
        _converge(sitting, want, outcome)
    if not sitting.store.ca_crl.exists() or "ca" in outcome.made:
        sitting.publish_crl()
        outcome.made.append("crl")
    outcome.aside = sitting.commit(keep_replaced=True)
    return outcome


def start_over(sitting: Ceremony, wanted: Sequence[Wanted], *, passphrase: str | None = None) -> Outcome:
    """A new CA, new keys and new certificates for everybody; the old files are kept aside.

    Raises:
        Refused: a rollover is under way.
    """
    if sitting.rollover.stage is not None:
        raise Refused("a CA rollover is under way", hint="finish it first: bringup pki rollover status")
    outcome = Outcome()
    others = [one for one in sitting.store.identities() if one not in {want.identity for want in wanted}]
    kept = {one: sitting.store.certificate(one) for one in others}
    if not sitting.store.record_file.exists():
        sitting.record = Record()  # what the old CA had revoked is forgotten, and so is that CA
    _found(sitting, passphrase or sitting.ca_passphrase())
    for want in wanted:
        sitting.issue(want.identity, want.sans)
    for identity, certificate in kept.items():
        _again(sitting, identity, certificate, outcome)
    sitting.publish_crl()
    outcome.made = ["ca", *(str(want.identity) for want in wanted), *outcome.made, "crl"]
    outcome.aside = sitting.commit(keep_replaced=True)
    return outcome


def _has_ca(sitting: Ceremony) -> bool:
    store = sitting.store
    certificate, key = store.ca_certificate.exists(), store.ca_key.exists()
    if key and not certificate:
        raise Damaged(
            f"{store.ca_key} is there, but {store.ca_certificate} is not",
            hint="restore the certificate from a backup, or make a new generation: bringup pki setup --force",
        )
    held = [str(one) for one in store.identities() if store.files(one).certificate.exists()]
    if held and not certificate:
        raise Damaged(
            f"{store.ca_certificate} does not exist, but there are certificates of {', '.join(held)}",
            hint="restore ca/ from a backup, or make a new generation: bringup pki setup --force",
        )
    return certificate


def _found(sitting: Ceremony, passphrase: str | None) -> None:
    authority = Authority.new(sitting.validity.ca_days, sitting.now)
    sitting.trust(authority.certificate)
    sitting.install(authority, passphrase=passphrase)


def _converge(sitting: Ceremony, want: Wanted, outcome: Outcome) -> None:
    files = sitting.store.files(want.identity)
    present = sitting.store.certificate(want.identity)
    if not files.key.exists():
        sitting.issue(want.identity, together(present, want.sans))
        outcome.made.append(str(want.identity))
    elif present is None:
        sitting.certify(want.identity, unique(want.sans), read_key(files.key).public_key())
        outcome.made.append(str(want.identity))
    else:
        _keep_or_widen(sitting, want, present, outcome)


def _keep_or_widen(sitting: Ceremony, want: Wanted, present: x509.Certificate, outcome: Outcome) -> None:
    _check(sitting, want.identity, present)
    note = _note(sitting, want.identity, present)
    if not note and not set(want.sans) <= set(sans_of(present)):
        sitting.certify(want.identity, together(present, want.sans), present.public_key())
        outcome.made.append(str(want.identity))
        return
    bundle = sitting.store.files(want.identity).bundle
    if not bundle.exists():
        sitting.put(bundle, pem(present, *_issuer(sitting, present)))
    outcome.kept.append(str(want.identity))
    outcome.notes += note


def _check(sitting: Ceremony, identity: Identity, present: x509.Certificate) -> None:
    files = sitting.store.files(identity)
    if not _issuer(sitting, present):
        raise Damaged(
            f"{files.certificate} was not signed by the CA in {sitting.store.ca_certificate}:"
            " it is of another generation",
            hint=f"bringup pki renew {identity} --force, which keeps its key",
        )
    if not fits(read_key(files.key), present):
        raise Damaged(
            f"{files.key} does not fit {files.certificate}",
            hint="restore the right one from a backup, or make both anew:"
            f" bringup pki renew {identity} --rekey --force",
        )


def _issuer(sitting: Ceremony, present: x509.Certificate) -> tuple[x509.Certificate, ...]:
    signer = signer_of(present, sitting.trusted)
    return (signer,) if signer else ()


def _note(sitting: Ceremony, identity: Identity, present: x509.Certificate) -> list[str]:
    if sitting.record.is_revoked(present):
        again = f"bringup pki issue {identity.role} --name {identity.name}"
        return [f"{identity} is revoked and was left alone; for a new key and certificate: {again}"]
    if present.not_valid_after_utc <= sitting.now:
        return [f"{identity} has expired and was left alone; run: bringup pki renew"]
    return []


def _again(sitting: Ceremony, identity: Identity, certificate: x509.Certificate | None, outcome: Outcome) -> None:
    sans = together(certificate, ())
    if sitting.store.files(identity).key.exists():
        sitting.issue(identity, sans)
    elif certificate is not None and not sitting.record.has_revoked_key(certificate.public_key()):
        sitting.certify(identity, sans, certificate.public_key())
    else:
        outcome.notes.append(f"{identity} was not issued again: its key was revoked")
        return
    outcome.made.append(str(identity))
    outcome.notes.append(f"{identity}: carry {sitting.store.files(identity).certificate} to its machine again")


def together(present: x509.Certificate | None, wanted: Sequence[San]) -> tuple[San, ...]:
    """The names that it has and those that it must get; its identity comes by itself."""
    if present is None:
        return unique(wanted)
    identity = identity_of(present)
    own = x509.DNSName(identity.dns) if identity else None
    return unique([*(san for san in sans_of(present) if san != own), *wanted])
