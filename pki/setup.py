"""Setting up: what is missing is made, what is there stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from pki import errors, ledger, names
from pki.authority import Authority, fits, pem, read_key, signer_of
from pki.session import CaSession


@dataclass(frozen=True)
class Wanted:
    """One identity that must have a certificate, and the names and addresses that it must cover."""

    identity: names.Identity
    sans: tuple[names.San, ...] = ()


@dataclass
class SetupResult:
    """What was made, what was there already, and notes for the operator."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    backup: Path | None = None


def set_up(session: CaSession, wanted: Sequence[Wanted], *, passphrase: str | None = None) -> SetupResult:
    """A CA and the wanted certificates; a second time it changes nothing.

    Args:
        session: committed here; what is replaced is kept as a backup.
        wanted: the identities that must have a certificate afterwards.
        passphrase: a new CA key is encrypted with it.

    Raises:
        Damaged: something is there that does not fit the rest; nothing was changed.
        Refused: the CA is trusted here, but its key is on another machine.
    """
    outcome = SetupResult()
    if _has_ca(session):
        session.store.check_home()
        outcome.kept.append("ca")
    else:
        _init_ca(session, passphrase)
        outcome.made.append("ca")
    for want in wanted:
        _converge(session, want, outcome)
    if not session.store.ca_crl.exists() or "ca" in outcome.made:
        session.publish_crl()
        outcome.made.append("crl")
    outcome.backup = session.commit(backup=True)
    return outcome


def start_over(session: CaSession, wanted: Sequence[Wanted], *, passphrase: str | None = None) -> SetupResult:
    """A new CA, new keys and new certificates for all identities; the old files are kept as a backup.

    Args:
        session: committed here.
        wanted: the identities that get new keys; others that are here get them too.
        passphrase: the new CA key is encrypted with it; by default with the one of the old key.

    Raises:
        Refused: a rollover is under way.
    """
    if session.rollover.stage is not None:
        raise errors.Refused("a CA rollover is under way", hint="finish it first: bringup pki rollover status")
    outcome = SetupResult()
    others = [one for one in session.store.identities() if one not in {want.identity for want in wanted}]
    kept = {one: session.store.certificate(one) for one in others}
    if not session.store.ledger_file.exists():
        session.ledger = ledger.Ledger()  # the revocations of the old CA are lost, but nothing trusts that CA any more
    _init_ca(session, passphrase or session.ca_passphrase())
    for want in wanted:
        session.issue(want.identity, want.sans)
    for identity, certificate in kept.items():
        _issue_again(session, identity, certificate, outcome)
    session.publish_crl()
    outcome.made = ["ca", *(str(want.identity) for want in wanted), *outcome.made, "crl"]
    outcome.backup = session.commit(backup=True)
    return outcome


def _has_ca(session: CaSession) -> bool:
    store = session.store
    certificate, key = store.ca_certificate.exists(), store.ca_key.exists()
    if key and not certificate:
        raise errors.Damaged(
            f"{store.ca_key} is there, but {store.ca_certificate} is not",
            hint="restore the certificate from a backup, or make a new generation: bringup pki setup --force",
        )
    held = [str(one) for one in store.identities() if store.files(one).certificate.exists()]
    if held and not certificate:
        raise errors.Damaged(
            f"{store.ca_certificate} does not exist, but there are certificates of {', '.join(held)}",
            hint="restore ca/ from a backup, or make a new generation: bringup pki setup --force",
        )
    return certificate


def _init_ca(session: CaSession, passphrase: str | None) -> None:
    authority = Authority.new(session.validity.ca_days, session.now)
    session.trust(authority.certificate)
    session.install(authority, passphrase=passphrase)


def _converge(session: CaSession, want: Wanted, outcome: SetupResult) -> None:
    files = session.store.files(want.identity)
    present = session.store.certificate(want.identity)
    if not files.key.exists():
        session.issue(want.identity, merge_sans(present, want.sans))
        outcome.made.append(str(want.identity))
    elif present is None:
        session.certify(want.identity, names.unique(want.sans), read_key(files.key).public_key())
        outcome.made.append(str(want.identity))
    else:
        _keep_or_widen(session, want, present, outcome)


def _keep_or_widen(session: CaSession, want: Wanted, present: x509.Certificate, outcome: SetupResult) -> None:
    _check_pair(session, want.identity, present)
    note = _note(session, want.identity, present)
    if not note and not set(want.sans) <= set(names.sans_of(present)):
        session.certify(want.identity, merge_sans(present, want.sans), present.public_key())
        outcome.made.append(str(want.identity))
        return
    bundle = session.store.files(want.identity).bundle
    if not bundle.exists():
        session.put(bundle, pem(present, *_issuer(session, present)))
    outcome.kept.append(str(want.identity))
    outcome.notes += note


def _check_pair(session: CaSession, identity: names.Identity, present: x509.Certificate) -> None:
    files = session.store.files(identity)
    if not _issuer(session, present):
        raise errors.Damaged(
            f"{files.certificate} was not signed by the CA in {session.store.ca_certificate}:"
            " it is of another generation",
            hint=f"bringup pki renew {identity} --force, which keeps its key",
        )
    if not fits(read_key(files.key), present):
        raise errors.Damaged(
            f"{files.key} does not fit {files.certificate}",
            hint="restore the right one from a backup, or make both again:"
            f" bringup pki renew {identity} --rekey --force",
        )


def _issuer(session: CaSession, present: x509.Certificate) -> tuple[x509.Certificate, ...]:
    signer = signer_of(present, session.trusted)
    return (signer,) if signer else ()


def _note(session: CaSession, identity: names.Identity, present: x509.Certificate) -> list[str]:
    if session.ledger.is_revoked(present):
        again = f"bringup pki issue {identity.role} --name {identity.name}"
        return [f"{identity} is revoked and was not changed; for a new key and certificate: {again}"]
    if present.not_valid_after_utc <= session.now:
        return [f"{identity} has expired and was not changed; run: bringup pki renew"]
    return []


def _issue_again(
    session: CaSession, identity: names.Identity, certificate: x509.Certificate | None, outcome: SetupResult
) -> None:
    sans = merge_sans(certificate, ())
    if session.store.files(identity).key.exists():
        session.issue(identity, sans)
    elif certificate is not None and not session.ledger.has_revoked_key(certificate.public_key()):
        session.certify(identity, sans, certificate.public_key())
    else:
        outcome.notes.append(f"{identity} was not issued again: its key was revoked")
        return
    outcome.made.append(str(identity))
    outcome.notes.append(f"{identity}: carry {session.store.files(identity).certificate} to its machine again")


def merge_sans(present: x509.Certificate | None, wanted: Sequence[names.San]) -> tuple[names.San, ...]:
    """The names that a certificate has and those that it must get, without its identity, which is added at signing."""
    if present is None:
        return names.unique(wanted)
    identity = names.identity_of(present)
    own = x509.DNSName(identity.dns) if identity else None
    return names.unique([*(san for san in names.sans_of(present) if san != own), *wanted])
