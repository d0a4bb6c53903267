"""Signing in, by an operator's token or certificate, and signing out."""

from flask import Blueprint, Response, abort, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bringup import errors, log
from bringup.wire.operator import OperatorList, OperatorView
from console.guard import certificate_holder, cookie_name, own_path, public
from console.services import console
from console.session import SESSION_S

bp = Blueprint("sign_in", __name__)
# Of a token: `bringup operator add` makes 32 characters.
_LONGEST_TOKEN = 256
# The roles that may sign in: a console has a token, too, and is no person.
_PEOPLE = frozenset({"operator", "viewer"})
_REFUSED = "This is the token of no operator. `bringup operator add NAME` on a host of the API makes one."


@bp.get("/sign-in")
@public
def show_sign_in() -> AnyResponse | str:
    """The form; a person who is signed in goes on, but for one who could do more with their token."""
    if g.session is not None and not g.session.lacks_token:
        return redirect(own_path(request.args.get("next")), 303)
    return _form()


@bp.post("/sign-in")
@public
def sign_in() -> AnyResponse | tuple[str, int]:
    """Begin a session; a new one each time, whatever cookie the request has."""
    wait_s = console().attempts.begin(request.remote_addr or "")
    if wait_s:
        return _form(f"Too many tries from your address. The next one is possible in {wait_s:.0f} s."), 429
    holder, token = certificate_holder(), request.form.get("token", "").strip()[:_LONGEST_TOKEN]
    if holder is None and console().settings.console_require_client_cert:
        abort(403, "this console asks for the certificate of an operator in the browser (`--p12`), besides the token")
    operator = _by_token(token) if token else _by_certificate(holder)
    if operator is None or operator.role not in _PEOPLE or (holder is not None and operator.name != holder):
        log.get("console").warning("a sign-in was refused", address=request.remote_addr, certificate=holder)
        return _form(_REFUSED if token or not holder else f"{holder} is no operator of this API."), 403
    console().attempts.succeeded(request.remote_addr or "")
    console().sessions.end(request.cookies.get(cookie_name()))
    log.get("console").info("signed in", who=operator.name, role=operator.role, address=request.remote_addr)
    response = redirect(own_path(request.form.get("next")), 303)
    _set_cookie(response, console().sessions.begin(operator, token or None))
    return response


@bp.post("/sign-out")
def sign_out() -> AnyResponse:
    """End this session."""
    console().sessions.end(request.cookies.get(cookie_name()))
    response = redirect("/sign-in", 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    response.delete_cookie(
        cookie_name(), secure=console().settings.api_use_tls, httponly=True, samesite="Strict", path="/"
    )
    return response


def _form(problem: str = "") -> str:
    return render_template(
        "sign_in.html",
        problem=problem,
        holder=certificate_holder(),
        then=own_path(request.values.get("next")),
        needs_certificate=console().settings.console_require_client_cert,
    )


def _by_token(token: str) -> OperatorView | None:
    """Whose token this is, as the API says; None: nobody's. Raises ApiUnavailable."""
    if not token.isascii() or not token.isprintable():
        return None  # no header could carry it
    try:
        return console().api_of(token, for_page=True).get("/operators/me", OperatorView)
    except errors.ApiRejected:
        return None


def _by_certificate(holder: str | None) -> OperatorView | None:
    """The operator of this name; None: there is none. Raises ApiUnavailable."""
    found = console().api.get("/operators", OperatorList).operators if holder else ()
    return next((one for one in found if one.name == holder), None)


def _set_cookie(response: Response | AnyResponse, key: str) -> None:
    response.set_cookie(
        cookie_name(),
        key,
        max_age=SESSION_S,
        secure=console().settings.api_use_tls,
        httponly=True,
        samesite="Strict",
        path="/",
    )
