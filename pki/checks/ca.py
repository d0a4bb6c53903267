"""Checks of the CA: its folders, certificate, key, list of revoked certificates, ledger and rollover.

Together they prove that the CA can sign, that only its owner can replace what services trust, and that every
certificate known as revoked is on the published list.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pki import crl, files, journal, lint, names
from pki.authority import fits, is_encrypted, key_id, read_key, signer_of
from pki.check import Check, Finding, Findings, Status, fail, info, ok, warn
from pki.checks.leaf import judge_validity
from pki.ledger import serial_text
from pki.store import RolloverState, Store


@dataclass(frozen=True)
class Ca:
    """One PKI directory at one time."""

    store: Store
    now: datetime

    @property
    def signs_here(self) -> bool:
        """Whether this is the machine of the CA, and not one that merely trusts it."""
        return self.store.ca_key.exists()


def _folders(ca: Ca) -> Findings:
    for folder in _all_folders(ca.store):
        if problem := files.directory_problem(folder):
            yield fail(str(problem), problem.hint)
    state = ca.store.state
    if state.exists() and stat.S_IMODE(state.lstat().st_mode) & 0o077:
        yield fail(f"{state} is open to others, and holds old keys", f"chmod 700 {state}")


def _journal(ca: Ca) -> Findings:
    if journal.interrupted(ca.store.state):
        yield fail(
            f"a command was killed while it switched files ({journal.journal_of(ca.store.state)})",
            "bringup pki setup, which finishes it first",
        )


def _certificate(ca: Ca) -> Findings:
    for certificate in ca.store.authorities():
        yield ok(certificate.subject.rfc4514_string())
    mode = ca.store.ca_certificate.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield fail(
            f"{ca.store.ca_certificate} has mode {stat.S_IMODE(mode):04o}: others can change which CA is trusted",
            f"chmod 644 {ca.store.ca_certificate}",
        )


def _profile(ca: Ca) -> Findings:
    for certificate in ca.store.authorities():
        for finding in lint.lint_authority(certificate):
            yield fail(f"{certificate.subject.rfc4514_string()}: {finding}", "bringup pki rollover start")
        if signer_of(certificate, (certificate,)) is None:
            yield fail(f"{certificate.subject.rfc4514_string()} is not signed by itself", "bringup pki rollover start")


def _validity(ca: Ca) -> Findings:
    for certificate in ca.store.authorities():
        expired = ca.now >= certificate.not_valid_after_utc
        hint = "bringup pki setup --force" if expired else "bringup pki rollover start"
        yield judge_validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc, ca.now, hint)


def _key(ca: Ca) -> Findings:
    path = ca.store.ca_key
    if not path.exists():
        yield info("the CA key is not on this machine")
    elif problem := files.secret_problem(path):
        yield fail(str(problem), problem.hint)
    elif is_encrypted(files.read(path)):
        yield ok("0600, encrypted; whether it fits shows when it signs")
    elif not any(fits(read_key(path), one) for one in ca.store.authorities()):
        yield fail(
            f"{path} does not fit {ca.store.ca_certificate}: they are of different generations",
            "restore both from one backup, or: bringup pki setup --force",
        )
    else:
        yield ok("0600, fits the certificate")


def _ledger(ca: Ca) -> Findings:
    if not ca.signs_here:
        yield info("the ledger is with the CA key, on another machine")
        return
    ledger = ca.store.ledger()
    revoked = sum(entry.revoked_at is not None for entry in ledger.entries)
    yield ok(f"{len(ledger.entries)} issued, {revoked} revoked")


def _crl(ca: Ca) -> Findings:
    path = ca.store.ca_crl
    if not path.exists():
        yield _no_list(ca)
        return
    lists = crl.read_crls(path)
    for authority in ca.store.authorities():
        own = next((one for one in lists if _signed(one, authority)), None)
        name = authority.subject.rfc4514_string()
        if own is None:
            yield fail(f"{path} holds no list signed by {name}", "bringup pki crl")
            continue
        here = "bringup pki crl" if ca.signs_here else "run `bringup pki renew` on the CA's host, carry ca/ca-crl.pem"
        yield judge_list(own, ca.now, here)
    yield from _forgotten(ca, lists)


def judge_list(own: x509.CertificateRevocationList, now: datetime, hint: str) -> Finding:
    """How long a CRL is still valid. The message names it: "expired" alone would be taken for the CA's certificate.

    Args:
        own: the CRL.
        now: the time to judge at.
        hint: the command that makes a new one.
    """
    end = own.next_update_utc or own.last_update_utc
    found = judge_validity(own.last_update_utc, end, now, hint, warn_days=0)
    then = ": the API refuses every client certificate" if found.status is Status.FAIL else ""
    return replace(found, message=f"list of revoked certificates (CRL): {found.message}{then}")


def _no_list(ca: Ca) -> Finding:
    missing = f"{ca.store.ca_crl} does not exist"
    if ca.signs_here:
        return fail(f"{missing}, so the API would accept revoked certificates", "bringup pki crl")
    if ca.store.files(names.Identity(names.Role.API, names.Role.API)).key.exists():
        return warn(f"{missing}: the API accepts revoked certificates", "carry it here from the CA's machine")
    return info(f"{missing}; only the API needs it")


def _forgotten(ca: Ca, lists: list[x509.CertificateRevocationList]) -> Findings:
    if not ca.signs_here:
        return
    listed = {serial_text(entry.serial_number) for one in lists for entry in one}
    known = {key_id(authority) for authority in ca.store.authorities()}
    for entry in ca.store.ledger().entries:
        if entry.revoked_at and entry.serial not in listed and entry.issuer in known:
            yield fail(f"{entry.identity} ({entry.serial}) is revoked, but not on the list", "bringup pki crl")


def _rollover(ca: Ca) -> Findings:
    stage = RolloverState.read(ca.store.state).stage if ca.signs_here else None
    if stage:
        yield warn(f"a CA rollover is under way, at stage {stage}", "bringup pki rollover status")
    elif len(ca.store.authorities()) > 1:
        yield warn("more than one CA is trusted: a rollover is under way on the CA's machine")
    else:
        yield ok("none under way")


def _signed(one: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return one.issuer == authority.subject and one.is_signature_valid(key)  # type: ignore[arg-type]


def _all_folders(store: Store) -> Iterator[Path]:
    found = {store.root, store.ca_certificate.parent, *(store.files(one).key.parent for one in store.identities())}
    if store.state.exists():
        found.add(store.state)
    yield from sorted(found)


# In this order, because a check needs only those before it.
CHECKS: tuple[Check[Ca], ...] = (
    # That no other user can replace a file, and that no change was left half done.
    Check("folders", "Folders", _folders),
    Check("journal", "No interrupted change", _journal),
    # That no other user can replace the CA certificate, and that strict peers accept what it signs, now and later.
    Check("certificate", "CA certificate", _certificate),
    Check("profile", "CA profile", _profile, ("certificate",)),
    Check("expiry", "CA expiry", _validity, ("certificate",)),
    # That it can sign and knows what it signed: without the ledger a new CRL would omit what was revoked.
    Check("key", "CA key", _key, ("certificate",)),
    Check("ledger", "Ledger", _ledger, ("certificate",)),
    # That every revoked certificate is refused, and which CAs are trusted meanwhile.
    Check("crl", "Revocation list", _crl, ("certificate", "ledger")),
    Check("rollover", "Rollover", _rollover, ("certificate",)),
)
