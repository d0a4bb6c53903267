"""Tests 4, 5 and 6: certificate chains, expiry, and files, as they lie here and as the servers really use them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pki.check import Result, run
from pki.checks import ca as of_ca
from pki.checks import leaf as of_leaf
from pki.checks import pki
from pki.crl import read_crls
from pki.errors import PkiError
from pki.names import Role
from pki.store import read_certificates
from selftest.check import Check, Finding, Status, fail, info, ok, skip, warn
from selftest.hosts import hosts_of
from selftest.probe import looking
from selftest.server_target import API, REDIS, Target
from selftest.target_installation import Subject

_CHAIN, _LIFE = "4 Certificate chains", "5 Expiry"
_FILES = "6 Certificate files"
_MOST = 4
_OF_CHAIN = {"chain", "signature", "authority"}
_OF_LIFE = {"expiry", "crl", "revocation"}


def _judged(wanted: Callable[[Result], bool]) -> Callable[[Subject], Finding]:
    """What `bringup pki verify` says of one kind of question, as one finding."""

    def check(subject: Subject) -> Finding:
        try:
            results = _results(subject)
        except PkiError as error:
            return _without_pki(subject, error)
        return _worst([result for result in results if wanted(result)])

    return check


def _results(subject: Subject) -> list[Result]:
    """The PKI directory, and besides it every file that a setting names elsewhere."""
    results = pki.verify(subject.store, hosts_of(subject.settings), subject.now())
    results += [result for one in _configured(subject) for result in run(one[0], one[1], of_leaf.CHECKS)]
    return results + list(_configured_list(subject))


def _configured(subject: Subject) -> Iterable[tuple[str, of_leaf.Leaf]]:
    settings = subject.settings
    pairs = (
        (
            "REDIS_TLS_CERT",
            settings.redis_tls_cert,
            settings.path_of("redis_tls_key"),
            settings.path_of("redis_tls_ca"),
            Role.WORKER,
        ),
        (
            "API_CLIENT_CERT",
            settings.api_client_cert,
            settings.path_of("api_client_key"),
            settings.path_of("api_tls_ca"),
            Role.WORKER,
        ),
        (
            "API_TLS_CERT",
            settings.api_tls_cert,
            settings.path_of("api_tls_key"),
            settings.path_of("api_tls_ca"),
            Role.API,
        ),
    )
    for name, cert, key, ca, role in pairs:
        if cert is not None:
            yield (
                name,
                of_leaf.Leaf(
                    role=role,
                    certificate_file=cert,
                    key_file=key,
                    trusted=tuple(_read(ca)),
                    now=subject.now(),
                    hosts=hosts_of(settings).get(role, ()) if role is Role.API else (),
                ),
            )


def _configured_list(subject: Subject) -> Iterable[Result]:
    """The list of revoked certificates, where it lies outside of the PKI directory."""
    path = subject.settings.api_tls_crl
    if path is None or not path.exists():
        return
    for one in read_crls(path):
        found = of_ca.judge_list(one, subject.now(), "bringup pki crl")
        yield Result("API_TLS_CRL", "crl", "Revocation list", found.status, found.message, found.hint)


def _read(path: Path) -> list[x509.Certificate]:
    return read_certificates(path) if path.exists() else []


def _without_pki(subject: Subject, error: PkiError) -> Finding:
    if subject.any_tls:
        return fail(str(error), expected="certificates in order", mend=error.hint or "bringup pki setup")
    return warn(f"{error} (both TLS flags are off: expected in development only)", mend="bringup pki setup")


def _worst(results: list[Result]) -> Finding:
    for status in (Status.FAIL, Status.WARN, Status.SKIP):
        found = [result for result in results if result.status is status]
        if found:
            return Finding(status, _grouped(found), mend=found[0].hint or "bringup pki verify")
    if not results:
        return skip("nothing to look at")
    return ok(_grouped([result for result in results if result.status is Status.OK]))


def _grouped(results: list[Result]) -> str:
    """Each message once, with whom it is about."""
    about: dict[str, list[str]] = {}
    for result in results:
        about.setdefault(result.message, []).append(result.target)
    groups = [f"{', '.join(dict.fromkeys(targets))}: {message}" for message, targets in about.items()]
    return "; ".join(groups[:_MOST]) + (f"; and {len(groups) - _MOST} more" if len(groups) > _MOST else "")


def _in_use(target: Target, file_of: Callable[[Subject], Path]) -> Callable[[Subject], Finding]:
    """Whether a running server uses the certificate that lies in its file: a renewal counts once it is loaded."""

    def check(subject: Subject) -> Finding:
        path = file_of(subject)
        if not target.promised(subject):
            return info("not used: its TLS flag is off")
        if not path.exists():
            return info(f"{path} is not on this host: compare there")
        answer = target.endpoint(subject).handshake(looking(target.identity(subject)))
        if answer.certificate is None:
            return fail(f"no certificate seen: {answer.said[:120]}", expected="a TLS handshake", mend=target.see)
        return _compared(answer.certificate, path)

    return check


def _compared(served: bytes, path: Path) -> Finding:
    on_disk = read_certificates(path)[0]
    if served == on_disk.public_bytes(serialization.Encoding.DER):
        return ok(f"the running server uses {path}")
    serial = x509.load_der_x509_certificate(served).serial_number
    return fail(
        f"the running server uses serial {serial:x}, but {path} holds {on_disk.serial_number:x}",
        expected="the certificate on disk",
        cause="it was renewed and not loaded",
        mend="reload or restart the server (docs/PKI.md, renewal)",
    )


def _any_tls(subject: Subject) -> bool:
    return subject.any_tls


CHECKS = (
    Check(
        "4",
        _CHAIN,
        "Every certificate chains to our CA",
        _judged(lambda r: r.check in _OF_CHAIN),
        _any_tls,
        static=True,
    ),
    Check(
        "5a", _LIFE, "Nothing has expired or was revoked", _judged(lambda r: r.check in _OF_LIFE), _any_tls, static=True
    ),
    Check(
        "5b",
        _LIFE,
        "Redis uses the certificate on disk",
        _in_use(REDIS, lambda s: s.settings.pki_dir / "redis/redis-cert.pem"),
        REDIS.promised,
        needs=(REDIS.hindrance,),
    ),
    Check(
        "5c",
        _LIFE,
        "The API uses the certificate on disk",
        _in_use(API, lambda s: s.settings.path_of("api_tls_cert")),
        API.promised,
        needs=(API.hindrance,),
    ),
    Check(
        "6",
        _FILES,
        "Files, keys, modes, names and profile",
        _judged(lambda r: r.check not in _OF_CHAIN | _OF_LIFE),
        _any_tls,
        static=True,
    ),
)
