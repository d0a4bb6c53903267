"""What every request must show, and what every response carries: session, origin, CSRF token, security headers."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit

from cryptography.x509.oid import ExtendedKeyUsageOID
from flask import Flask, Response, abort, current_app, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bringup import certificates, tls_failures
from console.services import console
from console.session import Session

_View = TypeVar("_View", bound=Callable[..., object])
_PUBLIC = "console_public"  # the attribute of a view that is served without a session
# Only what is needed, and from here alone. Source: CSP Level 3.
_CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    # Nothing to other sites; with no-referrer browsers send ``Origin: null`` from our own forms. Fetch s.3.2.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# The most that a form may hold: names of a thousand machines.
_MOST_FORM_BYTES = 256 * 1024


def public(view: _View) -> _View:
    """Mark a view that needs no session."""
    setattr(view, _PUBLIC, True)
    return view


def guard(app: Flask) -> None:
    """Check every request of ``app`` before its view runs, and complete every response."""
    app.config["MAX_CONTENT_LENGTH"] = _MOST_FORM_BYTES
    app.before_request(_check)
    app.after_request(_complete)


def session() -> Session:
    """Of the signed-in person who makes this request."""
    found: Session = g.session
    return found


def cookie_name() -> str:
    """With TLS the prefix binds the cookie to this host: no other one can set it. Source: RFC 6265bis s.4.1.3.2."""
    return "__Host-bringup" if console().settings.api_use_tls else "bringup"


def certificate_holder() -> str | None:
    """The operator whose certificate the browser has shown, if any.

    Aborts with 403: it is of our CA, and none that our PKI makes for a person; with 400: the browser is gone.
    """
    if not console().settings.api_use_tls:
        return None
    connection = request.environ["gunicorn.socket"]
    try:
        presented: bytes | None = connection.getpeercert(binary_form=True)
        certificate: Mapping[str, Any] = connection.getpeercert() if presented else {}
    except ValueError:  # after an error OpenSSL knows nothing of the handshake any more
        abort(400, "the connection broke before the request was answered")
    if not presented:
        return None
    people = [name for name in tls_failures.identities_of(certificate) if name.endswith(".operator")]
    if not people or certificates.defect_of(presented, ExtendedKeyUsageOID.CLIENT_AUTH):
        abort(403, "the certificate in this browser is no operator's")
    return people[0].removesuffix(".operator")


def own_path(address: str | None) -> str:
    """``address`` if it is a path of this page, else the page of the machines: nobody is sent to another site."""
    parts = _parts(address)
    is_own = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return address if address and is_own and address.isprintable() and "\\" not in address else "/machines"


def _parts(address: str | None) -> SplitResult:
    """Of an address that a browser has sent; of one that is none: nothing."""
    try:
        return urlsplit(address or "")
    except ValueError:
        return SplitResult("", "", "", "", "")


def _check() -> AnyResponse | str | None:
    g.session = console().sessions.get(request.cookies.get(cookie_name()))
    if request.method not in _SAFE:
        _check_origin()
    view = _view()
    if view is None or getattr(view, _PUBLIC, False):
        return None
    if g.session is None:
        return _ask_to_sign_in()
    _check_certificate(g.session)
    if request.method not in _SAFE:
        _check_csrf(g.session)
    return None


def _view() -> Callable[..., object] | None:
    return current_app.view_functions.get(request.endpoint or "")


def _check_origin() -> None:
    """A change must come from a page of ours: browsers send both headers, and no page can forge them."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    parts = _parts(origin) if origin is not None else None
    # Without TLS an attacker between browser and console can make a page at the same name.
    schemes = {"https"} if console().settings.api_use_tls else {"http", "https"}
    is_ours = parts is not None and parts.netloc == request.host and parts.scheme in schemes
    if not is_ours or site not in {None, "same-origin"}:
        abort(403, "this request comes from another site: open the page at its own address, and try again there")


def _check_csrf(session: Session) -> None:
    """Besides Origin: a token that only pages of this session know."""
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
    if not hmac.compare_digest(given.encode(), session.csrf.encode()):
        abort(403, "this form is of an earlier session: load the page again")


def _check_certificate(session: Session) -> None:
    """A session that a certificate has begun is of no use without it: it may be revoked, and a cookie be copied."""
    is_needed = session.token is None or console().settings.console_require_client_cert
    if is_needed and certificate_holder() != session.operator.name:
        abort(403, f"this session needs the certificate of {session.operator.name} in the browser")


def _ask_to_sign_in() -> AnyResponse | str:
    if request.method not in _SAFE:
        abort(401, "sign in first")
    # A link from another site comes without our cookie (SameSite=Strict): the page asks for itself once more.
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.headers.get("Sec-Fetch-Mode") == "navigate":
        return render_template("again.html")
    if request.headers.get("HX-Request"):  # a poll: back to the page that it is of
        page = _parts(request.headers.get("HX-Current-URL"))._replace(scheme="", netloc="").geturl()
        return Response(status=401, headers={"HX-Redirect": _sign_in(page)})
    return redirect(_sign_in(request.full_path.rstrip("?")), 303)


def _sign_in(then: str) -> str:
    return f"/sign-in?{urlencode({'next': own_path(then)})}"


def _complete(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers[name] = value
    # Pages are of one person; what a browser keeps could be seen by the next one.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
