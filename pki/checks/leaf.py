"""Checks of one identity: its certificate, its key, and whether peers will accept them.

Together they prove that every peer accepts the certificate in its role, and that none would accept it in another.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.x509 import verification

from pki import authority, files, lint, renew, store
from pki.check import Check, Finding, Findings, fail, info, ok, warn
from pki.names import Identity, Role, San, san_text, sans_of

# Days before the end that are a warning however long the certificate was valid: a month to find a maintenance window.
WARN_DAYS = 30
# What renews itself daily and has less than a day left will be refused tomorrow: nobody would read a warning in time.
# What lives two days or less, as the certificate of a run, always has so little.
_TOO_LATE = timedelta(days=1)


@dataclass(frozen=True)
class Leaf:
    """What is checked, and against what.

    Args:
        identity: whose it must be; None if any identity of the role will do.
        hosts: names and addresses under which it is connected to.
        trusted: the CAs that peers trust.
        is_revoked: whether a certificate was revoked, as far as is known here.
        key_file: None where the key is on another machine.
    """

    role: Role
    certificate_file: Path
    key_file: Path | None
    trusted: tuple[x509.Certificate, ...]
    now: datetime
    identity: Identity | None = None
    bundle_file: Path | None = None
    hosts: tuple[San, ...] = ()
    is_revoked: Callable[[x509.Certificate], bool] = lambda _certificate: False

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The certificate. Raises Damaged."""
        return store.read_certificates(self.certificate_file)[0]

    @property
    def who(self) -> str:
        """Its name in commands."""
        return str(self.identity or self.role)


def _readable(leaf: Leaf) -> Findings:
    if not leaf.certificate_file.exists():
        yield fail(f"{leaf.certificate_file} does not exist", "bringup pki setup")
        return
    mode = leaf.certificate_file.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield fail(
            f"{leaf.certificate_file} has mode {stat.S_IMODE(mode):04o}: others can change it",
            f"chmod 644 {leaf.certificate_file}",
        )
    else:
        yield ok(f"{leaf.certificate.subject.rfc4514_string()}")


def _private(leaf: Leaf) -> Findings:
    if leaf.key_file is None:
        yield info("its key is on its own machine")
        return
    if not leaf.key_file.exists():
        yield fail(f"{leaf.key_file} does not exist", "bringup pki setup")
    elif problem := files.secret_problem(leaf.key_file):
        yield fail(str(problem), problem.hint)
    else:
        yield ok(f"0600, of user {leaf.key_file.stat().st_uid}")


def _match(leaf: Leaf) -> Findings:
    if leaf.key_file is None:
        yield info("its key is on its own machine")
    elif authority.fits(authority.read_key(leaf.key_file), leaf.certificate):
        yield ok("the key fits the certificate")
    else:
        yield fail(
            f"{leaf.key_file} does not fit {leaf.certificate_file}",
            f"bringup pki renew {leaf.who} --rekey --force",
        )


def _chain(leaf: Leaf) -> Findings:
    signer = authority.signer_of(leaf.certificate, leaf.trusted)
    if signer is None:
        same = any(leaf.certificate.issuer == one.subject for one in leaf.trusted)
        what = "a CA of the same name but with another key" if same else "a CA that is not trusted here"
        yield fail(
            f"signed by {what}: {leaf.certificate.issuer.rfc4514_string()}", f"bringup pki renew {leaf.who} --force"
        )
        return
    try:
        _verify(leaf, signer)
    except (verification.VerificationError, ValueError) as error:
        yield fail(f"the chain is refused: {error}", f"bringup pki renew {leaf.who} --rekey --force")
    else:
        yield ok(f"signed by {signer.subject.rfc4514_string()}")


def _verify(leaf: Leaf, signer: x509.Certificate) -> None:
    """Verify as a strict peer would, at a time when it is valid: `_validity` checks the present."""
    certificate = leaf.certificate
    time = min(max(leaf.now, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    policy = verification.PolicyBuilder().store(verification.Store([signer])).time(time)
    if not leaf.role.is_server:
        policy.build_client_verifier().verify(certificate, [])
        return
    for name in sans_of(certificate) or (x509.DNSName("no.name"),):
        if isinstance(name, x509.IPAddress) or "." in name.value:
            policy.build_server_verifier(name).verify(certificate, [])


def _profile(leaf: Leaf) -> Findings:
    for finding in lint.lint_form(leaf.certificate):
        yield fail(finding, f"bringup pki renew {leaf.who} --rekey --force")
    if names := lint.development_names(leaf.certificate):
        yield warn(f"{', '.join(names)}: names without a dot belong in a development PKI only")


def _purpose(leaf: Leaf) -> Findings:
    for finding in lint.purpose_findings(leaf.certificate, leaf.role):
        yield fail(finding, f"bringup pki renew {leaf.who} --force")


def _names(leaf: Leaf) -> Findings:
    if leaf.identity:
        for finding in lint.identity_findings(leaf.certificate, leaf.identity):
            yield fail(finding, f"bringup pki renew {leaf.who} --force")
    present = sans_of(leaf.certificate)
    words = ", ".join(map(san_text, present)) or "none"
    missing = [host for host in leaf.hosts if host not in present]
    for host in missing:
        yield fail(
            f"clients connect to {san_text(host)}, which is not among its names: {words}",
            f"bringup pki setup --{leaf.role}-san {san_text(host)}",
        )
    if not missing:
        yield ok(words)


def judge_validity(start: datetime, end: datetime, now: datetime, hint: str, *, warn_days: int = WARN_DAYS) -> Finding:
    """Fail before its start, on its last day and after it; warn near its end and past two thirds of its validity.

    Args:
        start: when the certificate or list becomes valid.
        end: when it ends.
        now: the time to judge at.
        hint: the command that renews it.
        warn_days: fewer days than these before its end are a warning.
    """
    if now < start:
        return fail(
            f"not valid before {start:%Y-%m-%d %H:%M} UTC, and the clock here shows {now:%Y-%m-%d %H:%M} UTC",
            "check the clock: timedatectl",
        )
    if now >= end:
        return fail(f"expired on {end:%Y-%m-%d %H:%M} UTC, {_days(now - end)} ago", hint)
    if end - now < _TOO_LATE and end - start > 2 * _TOO_LATE:
        hours = int((end - now).total_seconds() // 3600)
        return fail(f"only {hours} hours left, until {end:%Y-%m-%d %H:%M} UTC: the daily renewal does not work", hint)
    left = f"{_days(end - now)} left, until {end:%Y-%m-%d}"
    return warn(f"{left}: renew it now", hint) if renew.is_due(start, end, now, warn_days) else ok(left)


def _days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days} days"


def _validity(leaf: Leaf) -> Findings:
    certificate = leaf.certificate
    yield judge_validity(
        certificate.not_valid_before_utc, certificate.not_valid_after_utc, leaf.now, "bringup pki renew"
    )
    signer = authority.signer_of(certificate, leaf.trusted)
    if signer and certificate.not_valid_after_utc > signer.not_valid_after_utc:
        yield warn(f"it outlives its CA, which ends on {signer.not_valid_after_utc:%Y-%m-%d}")


def _revocation(leaf: Leaf) -> Findings:
    if leaf.is_revoked(leaf.certificate):
        again = f"bringup pki issue {leaf.role} --name {leaf.identity.name if leaf.identity else 'NAME'}"
        yield fail("it was revoked", again)
    else:
        yield ok("not revoked")


def _bundle(leaf: Leaf) -> Findings:
    if leaf.bundle_file is None:
        return
    again = f"bringup pki renew {leaf.who} --force"
    if not leaf.bundle_file.exists():
        yield fail(f"{leaf.bundle_file} does not exist", again)
        return
    found = store.read_certificates(leaf.bundle_file)
    signer = authority.signer_of(leaf.certificate, leaf.trusted)
    if found != [leaf.certificate, signer]:
        yield fail(f"{leaf.bundle_file} is not {leaf.certificate_file.name} followed by its CA", again)
    else:
        yield ok("certificate, then CA")


# In this order, because a check needs only those before it.
CHECKS: tuple[Check[Leaf], ...] = (
    # That the holder, and no other user, can present the certificate.
    Check("certificate", "Certificate file", _readable),
    Check("key", "Key file", _private),
    Check("match", "Key fits certificate", _match, ("certificate", "key")),
    # That a strict peer accepts it: in its role, under its names, and in no other role.
    Check("chain", "Certificate chain", _chain, ("certificate",)),
    Check("profile", "Profile", _profile, ("certificate",)),
    Check("purpose", "Extended key usage", _purpose, ("certificate",)),
    Check("names", "Names and addresses", _names, ("certificate",)),
    # That it is valid now and for a while, and was not revoked.
    Check("expiry", "Expiry", _validity, ("certificate",)),
    Check("revocation", "Revocation", _revocation, ("certificate",)),
    # That a server which sends the chain sends the present one.
    Check("bundle", "Bundle", _bundle, ("certificate", "chain")),
)
