"""Authentication: what a caller must present. Every view names it; one that does not is never served."""

import hmac
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from flask import Flask, request

from api.http.problems import forbidden, unauthorized, unknown_run
from api.images.run_certificate import run_identity
from api.services import Services, services
from bringup.peer_role import roles_of

_View = TypeVar("_View", bound=Callable[..., object])
# The attribute of a view that holds what it requires.
_ATTRIBUTE = "bringup_auth"


class Auth(StrEnum):
    """What the caller of a view must present."""

    ANYONE = "anyone"  # nothing
    STAFF = "staff"  # API_TOKEN, and with TLS a certificate of a worker or an operator
    WORKER = "worker"  # the same of a worker alone
    OPERATOR = "operator"  # the same of an operator alone
    CAPABILITY_URL = "capability_url"  # the address itself, which holds a secret
    MACHINE = "machine"  # the token of the run, and a certificate of the run where API_REQUIRE_CLIENT_CERT=true
    PROOF = "proof"  # a proof of the token, not the token, by a machine that does not trust us; its view checks it


# These views are open before any token is read; PROOF and CAPABILITY_URL check in the view what they require.
_WITHOUT_TOKEN = {Auth.ANYONE, Auth.PROOF, Auth.CAPABILITY_URL}
# With TLS the certificate must have one of these roles: with API_TOKEN alone a worker could act as an operator.
_ROLES = {
    Auth.STAFF: frozenset({"worker", "operator"}),
    Auth.WORKER: frozenset({"worker"}),
    Auth.OPERATOR: frozenset({"operator"}),
}


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
    bearer = _bearer()
    if required is Auth.MACHINE:
        _check_machine(bearer, str((request.view_args or {})["run_id"]))
    # The token before the certificate, so that a stranger learns nothing of our roles.
    elif not _is_staff(bearer, services()):
        raise unauthorized()
    elif services().settings.api_use_tls:
        _check_certificate(_ROLES.get(required, frozenset()) if required else frozenset())


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized()
    return token.strip()


def _is_staff(bearer: str, given: Services) -> bool:
    token = given.settings.api_token
    return token is not None and hmac.compare_digest(bearer.encode(), token.get_secret_value().encode())


def _check_certificate(allowed: frozenset[str]) -> None:
    roles = roles_of(_peer_certificate())
    if not roles:
        raise unauthorized("this call needs a client certificate of our CA; set API_CLIENT_CERT and API_CLIENT_KEY")
    if not roles & allowed:
        wanted = " or ".join(sorted(allowed)) or "another"
        raise forbidden(
            f"a certificate of role {', '.join(sorted(roles))} may not do this; it takes one of role {wanted}: "
            "set API_CLIENT_CERT and API_CLIENT_KEY"
        )


def _peer_certificate() -> Mapping[str, Any] | None:
    certificate: Mapping[str, Any] | None = request.environ["gunicorn.socket"].getpeercert()
    return certificate


def _dns_names(certificate: Mapping[str, Any] | None) -> list[str]:
    return [value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "DNS"]


def _check_machine(bearer: str, run_id: str) -> None:
    tokens = services().tokens
    owner = tokens.owner(bearer)
    if owner is None:
        tokens.count_refused(run_id)
        raise unauthorized()
    if owner != run_id:
        raise unknown_run()
    settings = services().settings
    if settings.machines_need_certificates and not _holds_certificate_of(run_id):
        tokens.count_refused(run_id)
        raise forbidden(
            f"this call needs the client certificate {run_identity(run_id)} besides the token of that run "
            "(API_REQUIRE_CLIENT_CERT=true)"
        )


def _holds_certificate_of(run_id: str) -> bool:
    """Without this a stolen token would be enough, and so would the certificate of another run."""
    return run_identity(run_id) in _dns_names(_peer_certificate())
