"""Tests 4b and 5d: whether our CA alone is trusted, and the API has the present list of revoked certificates."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from bringup import errors
from pki import crl
from pki.authority import key_id
from pki.check import Finding, fail, info, ok, skip
from pki.lint import lint_authority
from pki.store import RolloverState, read_certificates
from selftest.case import API_HOST, Case, any_tls
from selftest.redis_host import is_this_host
from selftest.target_installation import TargetInstallation

_OUR_CA = "bringup CA "  # how the names of our CAs begin: `pki.profile.authority`


def _trusts_our_ca_alone(target: TargetInstallation) -> Finding:
    """A CA that is trusted besides ours can make a server that gets our passwords, and clients that get in."""
    settings = target.settings
    used = {"redis_tls_ca": settings.redis_use_tls, "api_tls_ca": settings.api_use_tls}
    paths = {settings.path_of(name): name.upper() for name, wanted in used.items() if wanted}
    if not paths:
        return info("not asked: both TLS flags are off")
    for path, setting in paths.items():
        others = [one for one in read_certificates(path) if not _is_ours(target, one)]
        if others:
            return _others_are_trusted(target, setting, path, others)
    return ok(f"{' and '.join(map(str, paths))}: our CA alone")


def _is_ours(target: TargetInstallation, one: x509.Certificate) -> bool:
    """By its profile; on the CA's host it must have signed something, unless a rollover is under way."""
    name = one.subject.rfc4514_string().removeprefix("CN=")
    if lint_authority(one) or not name.startswith(_OUR_CA):
        return False
    store = target.store
    if not store.ledger_file.exists() or RolloverState.read(store.state).stage:
        return True
    return key_id(one) in {entry.issuer for entry in store.ledger().entries}


def _others_are_trusted(
    target: TargetInstallation, setting: str, path: Path, others: list[x509.Certificate]
) -> Finding:
    ours = target.store.ca_certificate
    source = (
        shlex.join(["cp", str(ours), str(path)])
        if path != ours
        else f"carry ca/ca-cert.pem from the CA's host to {path}"
    )
    return fail(
        f"{setting}: besides ours, {path} holds {len(others)} more, such as {others[0].subject.rfc4514_string()}",
        expected="our CA alone",
        cause="a program with a certificate of another CA can be taken for our server, or for a client of ours",
        hint=source,
    )


def _list_is_present(target: TargetInstallation) -> Finding:
    """The API's host has the list with the highest number: what was revoked since an older one, gets in."""
    if not target.api.use_tls:
        return info("not asked: API_USE_TLS=false")
    path = target.settings.path_of("api_tls_crl")
    host = target.api.address[0]
    if not is_this_host(host):
        return skip(f"the API is on another host, {host}", hint="run `bringup selftest` on the host of the API")
    if not path.exists():
        return fail(
            f"{path} does not exist: the API lets in clients that were revoked",
            expected="the list of revoked certificates (CRL)",
            hint=f"bringup pki crl on the CA's host, then carry ca/ca-crl.pem to {path}",
        )
    own, (source, newest) = _number(path), max(_known(target), key=lambda known: known[1])
    if own < newest:
        return fail(
            f"{path} is list number {own}, and {source} has number {newest}: who was revoked since gets in",
            expected=f"list number {newest}",
            cause="the newer list was not carried to the API",
            hint=shlex.join(["cp", str(target.store.ca_crl), str(path)])
            if source == str(target.store.ca_crl)
            else f"carry it to {path}",
        )
    return ok(f"{path} is list number {own}, the newest")


def _number(path: Path) -> int:
    return max(map(crl.number, crl.read_crls(path)))


def _known(target: TargetInstallation) -> Iterator[tuple[str, int]]:
    """The lists that this host knows of, and the number of each."""
    path = target.settings.path_of("api_tls_crl")
    yield str(path), _number(path)
    if target.store.ca_crl.exists():
        yield str(target.store.ca_crl), _number(target.store.ca_crl)
    if target.api.blocker:
        return
    try:
        published = target.api_client().get_text("/crl")
    except errors.BringupError:
        return  # nothing was published, or 3b reports why the API does not answer
    yield "what the CA has published", max(map(crl.number, crl.parse_crls(published)), default=0)


# 4b proves that no other CA can make a server or a client of ours; 5d that the API refuses every client that the CA has
# revoked: an older list is valid for days, and does not name them.
CHECKS = (
    Case(
        "4b",
        "We trust our CA alone",
        _trusts_our_ca_alone,
        group="4 Certificate chains",
        required_by=any_tls,
        static=True,
    ),
    Case(
        "5d",
        "The API has the newest list of revoked certificates",
        _list_is_present,
        group="5 Expiry",
        roles=API_HOST,
    ),
)
