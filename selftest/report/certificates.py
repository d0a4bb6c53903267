"""The certificate files: every one with its attributes, and every finding about each. Nothing is left out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from bringup.settings import Settings
from pki import errors, names
from pki.check import Result, Status
from pki.checks.leaf import WARN_DAYS
from pki.crl import read_crls
from pki.renew import TWO_THIRDS
from pki.store import Store, read_certificates
from selftest.checks.certificates import judged_files
from selftest.report.markup import inline, table
from selftest.target_installation import TargetInstallation

CA = "ca"
CRL = "list of revoked certificates"


@dataclass(frozen=True)
class ValidityPeriod:
    """From when to when something is valid.

    Args:
        name: of the identity, ``ca``, or the list of revoked certificates.
        due: from when on it is renewed by `bringup pki renew` or `bringup site renew`; of a CA: replaced.
    """

    name: str
    start: datetime
    end: datetime
    due: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until its end; negative: it has ended."""
        return (self.end - now).days


def validities(target: TargetInstallation) -> list[ValidityPeriod]:
    """What is on this host and can be read, the nearest end first."""
    store, settings = target.store, target.settings
    found = [*_certificates(store, settings), *_lists(store, settings)]
    return sorted(found, key=lambda one: one.end)


def of_certificate(name: str, certificate: x509.Certificate, renew_days: int) -> ValidityPeriod:
    """When it is renewed: past two thirds of its validity, or near its end.

    Args:
        name: of its holder.
        certificate: any certificate.
        renew_days: RENEW_DAYS.
    """
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return ValidityPeriod(name, start, end, min(start + (end - start) * TWO_THIRDS, end - timedelta(days=renew_days)))


def _certificates(store: Store, settings: Settings) -> Iterator[ValidityPeriod]:
    with suppress(errors.PkiError, OSError):
        for authority in store.authorities():
            yield of_certificate(CA, authority, settings.renew_days)
    for identity in store.identities():
        with suppress(errors.PkiError, OSError):
            if certificate := store.certificate(identity):
                yield of_certificate(str(identity), certificate, settings.renew_days)
    for name in ("redis_tls_cert", "api_client_cert", "api_tls_cert"):
        with suppress(errors.PkiError, OSError):
            if path := getattr(settings, name):
                yield of_certificate(name.upper(), read_certificates(path)[0], settings.renew_days)


def _lists(store: Store, settings: Settings) -> Iterator[ValidityPeriod]:
    path = settings.api_tls_crl or store.ca_crl
    with suppress(errors.PkiError, OSError):
        for one in read_crls(path):
            end = one.next_update_utc or one.last_update_utc
            # As `pki.renew.crl_is_due` has it: a list is renewed after a third of CRL_DAYS.
            yield ValidityPeriod(CRL, one.last_update_utc, end, end - timedelta(days=settings.crl_days) * TWO_THIRDS)


# A question of the table, and the checks of `pki.checks` that answer it: the worst answer counts.
_ATTRIBUTES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("key fits", ("match",)),
    ("signed by our CA, chain", ("chain",)),
    ("modes", ("certificate", "key")),
    ("profile", ("profile",)),
    ("purpose", ("purpose",)),
    ("names", ("names",)),
    ("not revoked", ("revocation",)),
    ("not expired", ("expiry",)),
)
_NOT_CHECKED = "not checked"
_IN_A_WORD = {
    Status.OK: "yes",
    Status.INFO: "not here",
    Status.WARN: "yes, but: see below",
    Status.FAIL: "NO",
    Status.SKIP: _NOT_CHECKED,
}
_WORST_FIRST = (Status.FAIL, Status.SKIP, Status.WARN, Status.INFO, Status.OK)
_PURPOSE = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}
_FACTS = (
    "certificate",
    "file",
    "names",
    "purpose",
    "key, signature",
    "valid until",
    "days left",
    "renewed from",
    "serial",
)


def section(target: TargetInstallation) -> list[str]:
    """The section of the report."""
    lines = ["", "## Certificates"]
    try:
        results = judged_files(target)
    except errors.PkiError as error:
        return [*lines, "", f"None here: {inline(str(error))}."]
    files = certificate_files(target, results)
    head = ("certificate", "exists", *(title for title, _ in _ATTRIBUTES), f"more than {WARN_DAYS} days left")
    findings = ((one.target, one.title, one.status.value, one.message, one.hint) for one in results)
    return [
        *lines,
        *table(head, (tuple(attributes(name, path, results, target.now())) for name, path in files.items())),
        *table(_FACTS, (_facts(name, path, target) for name, path in files.items() if path.exists())),
        "",
        "Every finding about them:",
        *table(("of", "check", "result", "observed", "fix"), findings),
    ]


def certificate_files(target: TargetInstallation, results: Sequence[Result]) -> Mapping[str, Path]:
    """The file of each certificate that there are results about, also of one that is missing."""
    store = target.store
    known = {"ca": store.ca_certificate} | {str(one): store.files(one).certificate for one in store.identities()}
    configured = {name: getattr(target.settings, name.lower(), None) for name in {one.target for one in results}}
    files = {one.target: known.get(one.target) or configured[one.target] for one in results}
    return {name: path or store.root / name for name, path in files.items() if name != "API_TLS_CRL"}


def attributes(name: str, path: Path, results: Sequence[Result], now: datetime) -> Iterator[str]:
    """A row: the answer to each question about one certificate.

    Args:
        name: of its holder.
        path: of its file.
        results: about all certificates.
        now: the time to judge at.
    """
    yield name
    if not path.exists():
        yield from ("NO", *[_NOT_CHECKED] * (len(_ATTRIBUTES) + 1))
        return
    yield "yes"
    for _, checks in _ATTRIBUTES:
        found = {one.status for one in results if one.target == name and one.check in checks}
        yield next((_IN_A_WORD[status] for status in _WORST_FIRST if status in found), "-")
    certificate = _read(path)
    yield _NOT_CHECKED if certificate is None else _left(certificate, now)


def _left(certificate: x509.Certificate, now: datetime) -> str:
    days = (certificate.not_valid_after_utc - now).days
    return "yes" if days > WARN_DAYS else f"NO: {days}"


def _facts(name: str, path: Path, target: TargetInstallation) -> Sequence[str]:
    certificate = _read(path)
    try:
        return (name, str(path), *_of(name, certificate, target)) if certificate else _unreadable(name, path)
    except (ValueError, UnsupportedAlgorithm):  # a hostile encoding shows only when it is looked into
        return _unreadable(name, path)


def _unreadable(name: str, path: Path) -> Sequence[str]:
    return (name, str(path), "cannot be read", *[""] * (len(_FACTS) - 3))


def _of(name: str, certificate: x509.Certificate, target: TargetInstallation) -> Sequence[str]:
    validity = of_certificate(name, certificate, target.settings.renew_days)
    key, hashed = certificate.public_key(), certificate.signature_hash_algorithm
    return (
        ", ".join(map(names.san_text, names.sans_of(certificate))) or certificate.subject.rfc4514_string(),
        ", ".join(_PURPOSE.get(oid, oid.dotted_string) for oid in _usage(certificate)) or "signs certificates",
        f"{getattr(getattr(key, 'curve', key), 'name', type(key).__name__)}, {hashed.name if hashed else 'no hash'}",
        f"{validity.end:%Y-%m-%d}",
        str(validity.days_left(target.now())),
        f"{validity.due:%Y-%m-%d}",
        f"{certificate.serial_number:x}",
    )


def _usage(certificate: x509.Certificate) -> Sequence[x509.ObjectIdentifier]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return ()


def _read(path: Path) -> x509.Certificate | None:
    try:
        return read_certificates(path)[0]
    except (errors.PkiError, OSError):
        return None
