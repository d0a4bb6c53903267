"""Tests 4, 5 and 6: certificate chains, expiry, and files, as they lie here and as the servers really use them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pki import crl, errors, names, store
from pki.check import Finding, Result, Status, fail, info, ok, run, skip, warn
from pki.checks import ca, leaf, pki
from selftest import case, probe
from selftest.hosts import hosts_of, roles_of
from selftest.target_installation import TargetInstallation

_EXPIRY = "5 Expiry"
# More different messages than these are good news that nobody reads in a line: the report has a row for each.
_MESSAGES = 4
# The checks of `pki.checks` that tests 4 and 5a show; 6 shows all others.
_OF_CHAIN = {"chain", "signature", "authority"}
_OF_EXPIRY = {"expiry", "crl", "revocation"}


def _judged(wanted: Callable[[Result], bool]) -> case.Ask:
    """The results of `bringup pki verify` for one kind of question, as one finding."""

    def check(target: TargetInstallation) -> Finding:
        try:
            results = judged_files(target)
        except errors.PkiError as error:
            return _without_pki(target, error)
        return _worst([result for result in results if wanted(result)])

    return check


def judged_files(target: TargetInstallation) -> list[Result]:
    """The results about the PKI directory, and besides it about every file that a setting names elsewhere.

    Raises:
        PkiError: there is nothing to judge, or a command is changing the files right now.
    """
    results = pki.verify(target.store, hosts_of(target.settings), target.now(), roles=roles_of(target.settings))
    results += [result for one in _configured(target) for result in run(one[0], one[1], leaf.CHECKS)]
    return results + list(_configured_list(target))


def _configured(target: TargetInstallation) -> Iterable[tuple[str, leaf.Leaf]]:
    settings = target.settings
    served = names.Role.IMAGES if settings.roles == {"images"} else names.Role.API
    for certificate, key, trusted, role in (
        ("redis_tls_cert", "redis_tls_key", "redis_tls_ca", names.Role.WORKER),
        ("api_client_cert", "api_client_key", "api_tls_ca", names.Role.WORKER),
        ("api_tls_cert", "api_tls_key", "api_tls_ca", served),
    ):
        path: Path | None = getattr(settings, certificate)
        if path is not None:
            yield (
                certificate.upper(),
                leaf.Leaf(
                    role=role,
                    certificate_file=path,
                    key_file=settings.path_of(key),
                    trusted=tuple(_read(settings.path_of(trusted))),
                    now=target.now(),
                    hosts=hosts_of(settings).get(role, ()) if role is names.Role.API else (),
                ),
            )


def _configured_list(target: TargetInstallation) -> Iterable[Result]:
    """The list of revoked certificates, where it lies outside of the PKI directory."""
    path = target.settings.api_tls_crl
    if path is None or not path.exists():
        return
    for one in crl.read_crls(path):
        found = ca.judge_list(one, target.now(), "bringup pki crl")
        yield Result("API_TLS_CRL", "crl", "Revocation list", found.status, found.message, found.hint)


def _read(path: Path) -> list[x509.Certificate]:
    return store.read_certificates(path) if path.exists() else []


def _without_pki(target: TargetInstallation, error: errors.PkiError) -> Finding:
    if target.any_tls:
        return fail(str(error), expected="certificates in order", hint=error.hint or "bringup pki setup")
    return warn(f"{error} (both TLS flags are off: expected in development only)", hint="bringup pki setup")


def _worst(results: list[Result]) -> Finding:
    for status in (Status.FAIL, Status.WARN, Status.SKIP):
        found = [result for result in results if result.status is status]
        if found:
            return Finding(status, _grouped(found), hint=found[0].hint or "bringup pki verify")
    if not results:
        return skip("nothing to look at")
    good = [result for result in results if result.status is Status.OK]
    if len({result.message for result in good}) > _MESSAGES:
        names = ", ".join(dict.fromkeys(result.target for result in good))
        return ok(f"{names}: in order, by {len(good)} checks")
    return ok(_grouped(good))


def _grouped(results: list[Result]) -> str:
    """Each message once, after the names that it is about."""
    about: dict[str, list[str]] = {}
    for result in results:
        about.setdefault(result.message, []).append(result.target)
    return "; ".join(f"{', '.join(dict.fromkeys(targets))}: {message}" for message, targets in about.items())


def _in_use(server_of: case.ServerOf, file_of: Callable[[TargetInstallation], Path]) -> case.Ask:
    """Whether a running server uses the certificate on the disk: a renewal counts only once it is loaded."""

    def check(target: TargetInstallation) -> Finding:
        server, path = server_of(target), file_of(target)
        if not server.use_tls:
            return info("not used: its TLS flag is off")
        if not path.exists():
            return info(f"{path} is not on this host: compare there")
        answer = server.endpoint.handshake(probe.insecure_context(server.identity))
        if answer.certificate is None:
            return fail(f"no certificate seen: {answer.first_line}", expected="a TLS handshake", hint=server.see)
        return _compared(answer.certificate, path)

    return check


def _compared(served: bytes, path: Path) -> Finding:
    on_disk = store.read_certificates(path)[0]
    if served == on_disk.public_bytes(serialization.Encoding.DER):
        return ok(f"the running server uses {path}")
    certificate = x509.load_der_x509_certificate(served)
    other, ours = names.identity_of(certificate), names.identity_of(on_disk)
    if other and ours and other.role is not ours.role:
        hint = "see 1a or 3b: host and port lead to another server"
        return fail(f"another server of our CA answers there: {other}", expected=str(ours), hint=hint)
    serial = certificate.serial_number
    return fail(
        f"the running server uses serial {serial:x}, but {path} holds {on_disk.serial_number:x}",
        expected="the certificate on disk",
        cause="it was renewed and not loaded",
        hint="reload or restart the server (docs/PKI.md, renewal)",
    )


# Tests 4, 5a and 6 prove, as `bringup pki verify` does, that every certificate chains to our CA, is neither expired nor
# revoked, and fits its key, host, role and profile: those in PKI_DIR, and those that settings name elsewhere. 5b and
# 5c prove that the running servers use these files: a renewal has no effect before it is loaded.
CHECKS = (
    case.Case(
        "4",
        "Every certificate chains to our CA",
        _judged(lambda result: result.check in _OF_CHAIN),
        group="4 Certificate chains",
        required_by=case.any_tls,
        static=True,
    ),
    case.Case(
        "5a",
        "Nothing has expired or was revoked",
        _judged(lambda result: result.check in _OF_EXPIRY),
        group=_EXPIRY,
        required_by=case.any_tls,
        static=True,
    ),
    case.Case(
        "5b",
        "Redis uses the certificate on disk",
        _in_use(case.REDIS, lambda target: target.settings.pki_dir / "redis/redis-cert.pem"),
        group=_EXPIRY,
        required_by=case.redis_tls,
        servers=(case.REDIS,),
    ),
    case.Case(
        "5c",
        "The API uses the certificate on disk",
        _in_use(case.API, lambda target: target.settings.path_of("api_tls_cert")),
        group=_EXPIRY,
        required_by=case.api_tls,
        servers=(case.API,),
        roles=case.NEAR_API,
    ),
    case.Case(
        "6",
        "Files, keys, modes, names and profile",
        _judged(lambda result: result.check not in _OF_CHAIN | _OF_EXPIRY),
        group="6 Certificate files",
        explained_by=("4",),
        required_by=case.any_tls,
        static=True,
    ),
)
