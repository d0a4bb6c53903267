"""What the PKI's tests share: a ready PKI, sessions at its CA, and certificates with one defect each."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from pki import profile
from pki.authority import Authority, key_pem, pem, read_key
from pki.check import Result, Status
from pki.checks import pki
from pki.journal import Step, no_step
from pki.lint import lint_form, purpose_findings
from pki.names import STANDARD, Identity, Role, San, parse_san
from pki.profile import Validity
from pki.session import CaSession
from pki.setup import SetupResult, Wanted, set_up
from pki.store import Store

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
REDIS, WORKER, API = STANDARD
W2 = Identity(Role.WORKER, "w2")
HOST = {Role.REDIS: (parse_san("redis.example.net"),), Role.API: (parse_san("192.0.2.7"),)}
WANTED = [Wanted(one, HOST.get(one.role, ())) for one in STANDARD]


@contextmanager
def open_session(
    store: Store,
    now: datetime = NOW,
    *,
    days: float = 90,
    ca_days: int = 3650,
    crl_days: float = 90,
    passphrase: str | None = None,
    step: Step = no_step,
    init: bool = True,
) -> Iterator[CaSession]:
    """A session at the CA, with short arguments."""
    with CaSession.open(
        store,
        "a test",
        now,
        validity=Validity(days, ca_days, crl_days),
        passphrase=lambda: passphrase,
        step=step,
        init=init,
    ) as session:
        yield session


def init_pki(root: Path, now: datetime = NOW, **options: Any) -> Store:
    """A PKI with its three standard identities."""
    store = Store(root)
    set_up_again(store, now, **options)
    return store


def copy_of(store: Store, root: Path) -> Store:
    """The same PKI in another place."""
    shutil.copytree(store.root, root)
    return Store(root)


def set_up_again(store: Store, now: datetime = NOW, wanted: Sequence[Wanted] = WANTED, **options: Any) -> SetupResult:
    """What `bringup pki setup` does."""
    with open_session(store, now, **options) as session:
        return set_up(session, wanted, passphrase=options.get("passphrase"))


def authority_of(store: Store) -> Authority:
    """The CA with its key."""
    return Authority(store.authorities()[0], read_key(store.ca_key))


def certificate_of(store: Store, identity: Identity) -> x509.Certificate:
    """The certificate of an identity that must have one."""
    certificate = store.certificate(identity)
    assert certificate is not None
    return certificate


def lint_leaf(certificate: x509.Certificate, role: Role) -> list[str]:
    """What `bringup pki verify` finds wrong with the form and purpose of a certificate."""
    return [*lint_form(certificate), *purpose_findings(certificate, role)]


@dataclass
class Forgery:
    """A certificate as the profile has it, but for what a test changes."""

    identity: Identity = REDIS
    sans: Sequence[x509.GeneralName] | None = None
    ca: bool = False
    basic: bool = True
    usages: Sequence[ObjectIdentifier] | None = None
    aki: bool = True
    ski: bool = True
    key_usage: x509.KeyUsage = field(default_factory=lambda: profile.key_usage(digital_signature=True))
    start: datetime = NOW - timedelta(minutes=5)
    end: datetime = NOW + timedelta(days=90)
    extra: Sequence[x509.ExtensionType] = ()
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(default_factory=profile.new_key)

    def sign(self, by: Authority) -> x509.Certificate:
        """Signed by a CA that does not look at what it signs."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.identity.dns)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(by.certificate.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(self.key_usage, critical=True)
        )
        for value, critical in self._extensions(by):
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(by.key, hashes.SHA256())

    def _extensions(self, by: Authority) -> Iterator[tuple[x509.ExtensionType, bool]]:
        if self.basic:
            yield x509.BasicConstraints(ca=self.ca, path_length=None), True
        usages = [profile.purpose(self.identity.role)] if self.usages is None else self.usages
        if usages:
            yield x509.ExtendedKeyUsage(usages), False
        for one in self.extra:
            yield one, True
        sans = self._sans()
        if sans:
            yield x509.SubjectAlternativeName(sans), False
        if self.ski:
            yield x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False
        if self.aki:
            ski = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            yield x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), False

    def _sans(self) -> Sequence[x509.GeneralName]:
        hosts: tuple[San, ...] = HOST.get(self.identity.role, ())
        return [x509.DNSName(self.identity.dns), *hosts] if self.sans is None else self.sans


BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def plant(store: Store, identity: Identity, forgery: Forgery, by: Authority | None = None) -> None:
    """Put a forged certificate and its key where the real ones were."""
    authority = by or authority_of(store)
    certificate = forgery.sign(authority)
    files = store.files(identity)
    files.certificate.write_bytes(pem(certificate))
    files.bundle.write_bytes(pem(certificate, authority.certificate))
    files.key.write_bytes(key_pem(forgery.key))


def verified(store: Store, now: datetime = NOW) -> list[Result]:
    """What `bringup pki verify` sees."""
    return pki.verify(store, HOST, now)


def failures(store: Store, now: datetime = NOW) -> dict[tuple[str, str], str]:
    """(target, check) -> message of everything that failed."""
    found: dict[tuple[str, str], str] = {}
    for one in verified(store, now):
        if one.status is Status.FAIL:
            place = (one.target, one.check)
            found[place] = "; ".join(filter(None, (found.get(place), one.message)))
    return found


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file below a folder, but for the lock."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
