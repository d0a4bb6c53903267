"""Authentication: what a caller must present. Every view names it; one that does not is never served."""

import hmac
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from cryptography.x509.oid import ExtendedKeyUsageOID
from flask import Flask, g, request

from api import audit, peer_certificate
from api.http.problems import Refusal, forbidden, unauthorized, unknown_run
from api.images.run_certificate import run_identity
from api.principal import Principal, PrincipalRole
from api.services import Services, services
from bringup import certificates, errors
from bringup.operators import Operator, OperatorRole, Operators
from bringup.settings import Settings

_View = TypeVar("_View", bound=Callable[..., object])
# The attribute of a view that holds what it requires.
_ATTRIBUTE = "bringup_auth"


class Auth(StrEnum):
    """What the caller of a view must present."""

    ANYONE = "anyone"  # nothing
    STAFF = "staff"  # API_TOKEN or the token of an operator or viewer; with TLS a certificate of the same
    WORKER = "worker"  # API_TOKEN, and with TLS a certificate of a worker
    OPERATOR = "operator"  # the token of an operator, and with TLS the certificate of the same name
    CERTIFICATE = "certificate"  # a client certificate by TLS and no token; its view judges whose it is
    HOST = "host"  # the certificate of a host of the site, and no token
    CA = "ca"  # the certificate of the CA's host, and no token
    CAPABILITY_URL = "capability_url"  # the address itself, which holds a secret
    MACHINE = "machine"  # the token of the run, and a certificate of the run where API_REQUIRE_CLIENT_CERT=true
    PROOF = "proof"  # a proof of the token, not the token, by a machine that does not trust us; its view checks it


# These views are open before any token is read; PROOF and CAPABILITY_URL check in the view what they require.
_WITHOUT_TOKEN = {Auth.ANYONE, Auth.PROOF, Auth.CAPABILITY_URL}
# These views take a certificate of one of these roles and no token: EST clients have none. None: of any role.
_BY_CERTIFICATE = {Auth.CERTIFICATE: None, Auth.HOST: frozenset({"host"}), Auth.CA: frozenset({"ca"})}
# Header with the token of a console, beside a person's token in ``Authorization``: the person is signed in there.
CONSOLE_HEADER = "Bringup-Console"
# With TLS a service must show one of these besides API_TOKEN, which all services have.
_SERVICES = frozenset({"worker", "console"})
_WORKERS = frozenset({"worker"})


def requires(auth: Auth) -> Callable[[_View], _View]:
    """Mark a view with what its caller must present."""

    def mark(view: _View) -> _View:
        setattr(view, _ATTRIBUTE, auth)
        return view

    return mark


def guard(app: Flask) -> None:
    """Check every request of ``app`` before its view runs and before its body is read."""
    app.before_request(_check)


def auth_of(view: object) -> Auth | None:
    """What a view requires, through its decorators."""
    auth: Auth | None = getattr(view, _ATTRIBUTE, None)
    return auth


def _check() -> None:
    if request.endpoint is None:
        return  # no such path, or not with this method: no view runs
    required = auth_of(services().views[request.endpoint])
    if required in _WITHOUT_TOKEN:
        return
    try:
        _check_caller(required)
    except Refusal as refusal:
        if required is Auth.OPERATOR:  # a change that a caller may not make is recorded, too
            audit.record_refusal(f"{request.method} {request.endpoint}", request.path, refusal.detail)
        raise


def _check_caller(required: Auth | None) -> None:
    _refuse_malformed_certificate()
    if required in _BY_CERTIFICATE:
        _check_presented(_BY_CERTIFICATE[required])
        return
    bearer = _bearer()
    if required is Auth.MACHINE:
        _check_machine(bearer, str((request.view_args or {})["run_id"]))
    # The token before the certificate, so that a stranger learns nothing of our roles.
    elif required:
        _check_staff(bearer, required)


def _check_presented(allowed: frozenset[str] | None) -> None:
    if not services().settings.api_use_tls:
        raise unauthorized("this call needs TLS and a client certificate of our CA: set API_USE_TLS=true")
    _check_certificate(peer_certificate.roles() if allowed is None else allowed)


def _refuse_malformed_certificate() -> None:
    """TLS has accepted it: it is of our CA. Raises Refusal: it is none that our PKI makes for a client."""
    presented = peer_certificate.presented()
    if presented and (defect := certificates.defect_of(presented, ExtendedKeyUsageOID.CLIENT_AUTH)):
        raise forbidden(f"the client certificate must not be used: {defect}; run `bringup pki verify` on the CA's host")


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized("no bearer token was sent; set OPERATOR_TOKEN, or API_TOKEN for a service")
    return token.strip()


def _check_staff(bearer: str, required: Auth) -> None:
    """Set the principal of this request. Raises Refusal."""
    given = services()
    operators = known_operators(given)
    operator, console = operators.of_token(bearer), _console(operators, given.settings)
    if operator:
        principal = _principal(operator.name, PrincipalRole(operator.role))
        g.principal = replace(principal, console=console.name if console else None)
        if console is None:
            _check_own_certificate(operator, given.settings)
        _check_operator(operator, required)
    elif _is_service(bearer, given.settings):
        g.principal = _principal(peer_certificate.identity() or "API_TOKEN", PrincipalRole.SERVICE)
        _check_service(required, given)
    else:
        raise unauthorized(
            "this is the token of no operator and no service; check OPERATOR_TOKEN, or of a service API_TOKEN "
            "or CONSOLE_TOKEN"
        )


def known_operators(given: Services) -> Operators:
    """Nobody while the file cannot be used: the last good one may have a person who was removed since."""
    try:
        return given.operators.current()
    except errors.OperatorsError:
        return Operators()


def _principal(name: str, role: PrincipalRole) -> Principal:
    return Principal(name, role, request.remote_addr or "", peer_certificate.identity())


def _is_service(bearer: str, settings: Settings) -> bool:
    token = settings.api_token
    return token is not None and hmac.compare_digest(bearer.encode(), token.get_secret_value().encode())


def _console(operators: Operators, settings: Settings) -> Operator | None:
    """The console by which a person calls; None: they call themselves. Raises Refusal: it is none, or not proven.

    It has its own token and certificate, and so need not have those of all its people (docs/adr/0014).
    """
    token = request.headers.get(CONSOLE_HEADER)
    if token is None:
        return None
    console = operators.of_token(token)
    if console is None or console.role is not OperatorRole.CONSOLE:
        raise unauthorized(f"{CONSOLE_HEADER}: this is the token of no console")
    _check_own_certificate(console, settings)
    return console


def _check_own_certificate(operator: Operator, settings: Settings) -> None:
    """A token that was stolen is of no use without the key of the same person or console."""
    if settings.api_use_tls and operator.certificate not in peer_certificate.identities():
        role = operator.certificate_role
        own = "their" if role == OperatorRole.OPERATOR else "its"
        raise forbidden(
            f"the token of {role} {operator.name} needs {own} certificate, too: set API_CLIENT_CERT and "
            f"API_CLIENT_KEY to that of `bringup pki issue {role} --name {operator.name}`"
        )


def _check_operator(operator: Operator, required: Auth) -> None:
    if required is Auth.WORKER:
        raise forbidden("only workers may do this, with API_TOKEN")
    if required is Auth.OPERATOR and operator.role is OperatorRole.VIEWER:
        raise forbidden(f"{operator.name} is a viewer, who may read and change nothing")
    if required is Auth.OPERATOR and operator.role is OperatorRole.CONSOLE:
        raise forbidden(f"{operator.name} is a console: it reads, and changes nothing without an operator's token")
    if required is Auth.OPERATOR and operator.role is OperatorRole.CONNECTOR:
        raise forbidden(f"{operator.name} is a connector, which may read and change nothing")


def _check_service(required: Auth, given: Services) -> None:
    if required is Auth.OPERATOR and not opens_everything(given.settings, known_operators(given)):
        raise forbidden("API_TOKEN is for services: set OPERATOR_TOKEN to a token of `bringup operator add NAME`")
    if given.settings.api_use_tls:
        # Where nobody is named, the certificate of an operator is what makes a person of the bearer of API_TOKEN.
        people = frozenset({"operator"} if opens_everything(given.settings, known_operators(given)) else ())
        if not people:
            _refuse_person(required)
        _check_certificate({Auth.OPERATOR: people, Auth.STAFF: _SERVICES | people}.get(required, _WORKERS))


def _refuse_person(required: Auth) -> None:
    """Another certificate would help no person: what they lack is their token. Raises Refusal."""
    if required is not Auth.WORKER and "operator" in peer_certificate.roles():
        raise forbidden(
            "API_TOKEN is for services: a person sets OPERATOR_TOKEN to that of `bringup operator add NAME`"
        )


def opens_everything(settings: Settings, operators: Operators) -> bool:
    """Whether API_TOKEN opens what operators do: in development, as long as no operator is named."""
    return settings.environment == "development" and not operators and not settings.operators_file.exists()


def _check_certificate(allowed: frozenset[str]) -> None:
    roles = peer_certificate.roles()
    if not roles:
        raise unauthorized("this call needs a client certificate of our CA; set API_CLIENT_CERT and API_CLIENT_KEY")
    if not roles & allowed:
        wanted = " or ".join(sorted(allowed)) or "another"
        raise forbidden(
            f"a certificate of role {', '.join(sorted(roles))} may not do this; it takes one of role {wanted}: "
            "set API_CLIENT_CERT and API_CLIENT_KEY"
        )


def _check_machine(bearer: str, run_id: str) -> None:
    tokens = services().tokens
    owner = tokens.owner(bearer)
    if owner is None:
        tokens.count_refused(run_id)
        raise unauthorized()
    if owner != run_id:
        raise unknown_run(run_id)
    settings = services().settings
    if settings.machines_need_certificates and not _holds_certificate_of(run_id):
        tokens.count_refused(run_id)
        raise forbidden(
            f"this call needs the client certificate {run_identity(run_id)} besides the token of that run "
            "(API_REQUIRE_CLIENT_CERT=true)"
        )


def _holds_certificate_of(run_id: str) -> bool:
    """Without this a stolen token would be enough, and so would the certificate of another run."""
    return run_identity(run_id) in peer_certificate.dns_names()
