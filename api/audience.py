"""Who may call what. Every view names its audience; one that does not is never served."""

import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from flask import Flask, request

from api.problems import unauthorized, unknown_run
from api.services import Services, services

_View = TypeVar("_View", bound=Callable[..., object])
_ATTRIBUTE = "bringup_audience"


class Audience(StrEnum):
    """Who a view is for."""

    ANYONE = "anyone"
    STAFF = "staff"  # workers and operators: they bear API_TOKEN
    MACHINE = "machine"  # the machine of one run: it bears the run's token


def audience(who: Audience) -> Callable[[_View], _View]:
    """Mark a view with who may call it."""

    def mark(view: _View) -> _View:
        setattr(view, _ATTRIBUTE, who)
        return view

    return mark


def guard(app: Flask) -> None:
    """Check every request of ``app`` before its view runs and before its body is read."""
    app.before_request(_check)


def audience_of(view: object) -> Audience | None:
    """The audience of a view, through its decorators."""
    who: Audience | None = getattr(view, _ATTRIBUTE, None)
    return who


def _check() -> None:
    if request.endpoint is None:
        return  # no such page, or not with this method: answered without any view
    who = audience_of(services().views[request.endpoint])
    if who is Audience.ANYONE:
        return
    bearer = _bearer()
    if who is Audience.STAFF and _is_staff(bearer, services()):
        return
    if who is Audience.MACHINE:
        _check_machine(bearer, str((request.view_args or {})["run_id"]))
        return
    raise unauthorized()


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized()
    return token.strip()


def _is_staff(bearer: str, given: Services) -> bool:
    token = given.settings.api_token
    expected = token.get_secret_value() if token else ""
    return bool(expected) and hmac.compare_digest(bearer.encode(), expected.encode())


def _check_machine(bearer: str, run_id: str) -> None:
    tokens = services().tokens
    owner = tokens.owner(bearer)
    if owner is None:
        tokens.count_refused(run_id)
        raise unauthorized()
    if owner != run_id:
        raise unknown_run()
