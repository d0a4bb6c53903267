"""Tests 6b and 7.api.roles: whether we present the role that we have, and the API enforces it."""

from collections.abc import Iterable
from pathlib import Path

from bringup.openssl_errors import unusable
from bringup.peer_role import ServerRole
from pki.check import Finding, fail, info, ok, skip
from pki.errors import PkiError
from pki.names import Role, identity_of
from pki.store import read_certificates
from selftest import bad_certificates, case, controls, probe
from selftest.target_installation import TargetInstallation

# The roles of certificates that each service may present to Redis and to the API. A host presents its own where its
# service has none.
_MAY_PRESENT = {
    "worker": {Role.WORKER},
    "console": {Role.CONSOLE},
    "tailer": {Role.TAILER, Role.WORKER},
    "api": {Role.HOST, Role.WORKER},
    "images": {Role.HOST, Role.WORKER},
    "redis": {Role.HOST, Role.WORKER},
}
# Calls that change nothing, and write no line into the audit log: what the CA's host alone may see; and what a worker
# does, without a body.
_AS_CA, _AS_WORKER = "GET /api/v1/hosts", "PUT /api/v1/runs/selftest"


def _roles(target: TargetInstallation) -> Finding:
    """The API sees roles: it refuses us what ours may not, and an operator what a worker may."""
    if not target.api.use_tls:
        return controls.NOT_ASKED
    ours = target.api.identity
    try:
        identity = identity_of(read_certificates(ours.cert)[0]) if ours.cert else None
        if identity is None or identity.role is Role.CA:
            return skip("our certificate names no role that may be refused", hint="see 6b")
        refused = _refused_by_role(target, _AS_CA, ours, identity.role)
        return refused or _operator_is_refused(target, identity.role)
    except (PkiError, OSError) as error:
        return skip(f"inconclusive: {unusable(error)}", hint="bringup pki verify")


def _operator_is_refused(target: TargetInstallation, own: Role) -> Finding:
    try:
        operator = probe.TlsCredentials(target.api.identity.ca, *target.bad_certificates.operator(), ServerRole.API)
    except bad_certificates.NoCaKey as error:
        seen = f"the API sees that our certificate is of role {own}; whether it refuses an operator what a worker may"
        if target.settings.roles:
            return info(f"{seen}, the CA's host asks")
        return skip(f"{seen}, needs the CA key: {error}", hint="run `bringup selftest` on the host of the CA")
    refused = _refused_by_role(target, _AS_WORKER, operator, Role.OPERATOR)
    return refused or ok(f"it refuses a {own} what the CA may, and an operator what a worker may")


def _refused_by_role(target: TargetInstallation, call: str, shown: probe.TlsCredentials, role: Role) -> Finding | None:
    """What is wrong if the answer is not that this role may not do it; None: it is."""
    context = probe.verifying_context(shown)  # which accepts an API of our CA alone: our token is in the request
    answer = target.api.endpoint.secured(context, controls.api_request(target, call), listen_s=0)
    if not answer.text.startswith("HTTP/"):
        return skip(f"inconclusive: {answer.first_line}", hint=target.api.see)
    if answer.text.startswith("HTTP/1.1 403") and f"of role {role}" in answer.text:
        return None
    other = "" if "of role" not in answer.text else ", and takes us for another role"
    return fail(
        f"{call} with the certificate of {_article(role)} {role}: {answer.first_line}{other}",
        expected=f"403, because a certificate of role {role} may not do this",
        cause="something in front of the API ends TLS, or the API was started without it: no role is enforced",
        hint="let clients reach the API itself: take the proxy away, and start `bringup api` with API_USE_TLS=true",
    )


def _article(role: Role) -> str:
    return "an" if role.value[0] in "aeiou" else "a"


def _own_role(target: TargetInstallation) -> Finding:
    """Our certificates are of the role that our service has: the API lets others do other things."""
    if not target.any_tls:
        return info("not asked: both TLS flags are off")
    services = target.settings.roles or {(target.settings.redis_username or "").partition("-")[0]}
    allowed = {role for service in services for role in _MAY_PRESENT.get(service, set())}
    if not allowed:
        return info("no setting names the role of this host (HOST_ROLES, REDIS_USERNAME)")
    found = list(_presented(target))
    for setting, path, role in found:
        if role not in allowed:
            return fail(
                f"{setting}: {path} is of {f'role {role}' if role else 'no role'}, and this host is {_all(services)}",
                expected=f"a certificate of role {_all(allowed)}",
                hint=f"set {setting} and {setting.replace('_CERT', '_KEY')} to those of its own role",
            )
    return ok(f"our certificates are of role {_all({role for *_, role in found if role})}")


def _all(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def _presented(target: TargetInstallation) -> Iterable[tuple[str, Path, Role | None]]:
    settings = target.settings
    for setting, used in (("redis_tls_cert", settings.redis_use_tls), ("api_client_cert", settings.api_use_tls)):
        path = settings.path_of(setting)
        if used and path.exists():
            identity = identity_of(read_certificates(path)[0])
            yield setting.upper(), path, identity.role if identity else None


# 7.api.roles proves that the API itself sees our certificates: behind something that ends TLS it would take every
# client for any role. 6b proves that we present what our service has.
CHECKS = (
    case.Case(
        "7.api.roles",
        "The API enforces the roles in certificates",
        _roles,
        group="7 Refusals",
        required_by=case.api_tls,
        servers=(case.API,),
        needs=("3b",),
        roles=case.NEAR_API,
    ),
    case.Case(
        "6b",
        "Our certificates are of our role",
        _own_role,
        group="6 Certificate files",
        required_by=case.any_tls,
        static=True,
    ),
)
