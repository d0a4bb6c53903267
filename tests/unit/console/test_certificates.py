"""With mutual TLS: whose certificate the browser must show, at sign-in and ever after."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from werkzeug.test import TestResponse

from console.app import create_app
from console.services import Console
from pki.authority import Authority, pem
from pki.names import Identity, Role
from tests.conftest import MakeSettings
from tests.unit.console.conftest import PEOPLE, FakeApi
from tests.unit.pki import kit

ALICE, VERA = Identity(Role.OPERATOR, "alice"), Identity(Role.OPERATOR, "vera")
Wrong = dict[str, Any]
# Not one of them is what our PKI makes for a person.
NO_PERSONS: dict[str, Wrong] = {
    "a worker": {"identity": Identity(Role.WORKER, "worker")},
    "a server's purpose": {"usages": [ExtendedKeyUsageOID.SERVER_AUTH]},
    "any purpose": {"usages": []},
    "a CA": {"ca": True},
}


class Connected:
    """A connection with a certificate, or with none."""

    def __init__(self, forgery: kit.Forgery | None, ca: Authority) -> None:
        self.names = ((("DNS", forgery.identity.dns),)) if forgery else ()
        self.presented = ssl.PEM_cert_to_DER_cert(pem(forgery.sign(ca)).decode()) if forgery else None

    def getpeercert(self, *, binary_form: bool = False) -> Any:
        return self.presented if binary_form else {"subjectAltName": self.names} if self.names else {}


class TlsBrowser:
    """One browser, whose certificate may be another one in the next request."""

    def __init__(self, console: Console, ca: Authority) -> None:
        self.client = create_app(console).test_client()
        self.ca = ca

    def call(
        self, method: str, path: str, shows: kit.Forgery | None, origin: str = "https://localhost", **form: str
    ) -> TestResponse:
        return self.client.open(
            path,
            method=method,
            data=form or None,
            base_url="https://localhost",
            headers={"Origin": origin},
            environ_overrides={"gunicorn.socket": Connected(shows, self.ca)},
        )

    def sign_in(self, token: str, shows: kit.Forgery | None) -> int:
        return self.call("POST", "/sign-in", shows, token=token).status_code

    def reads(self, shows: kit.Forgery | None) -> int:
        return self.call("GET", "/machines", shows).status_code


NewBrowser = Callable[..., TlsBrowser]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return kit.authority_of(kit.init_pki(tmp_path_factory.mktemp("console") / "pki"))


@pytest.fixture
def tls_browser(
    make_settings: MakeSettings, api: FakeApi, ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> NewBrowser:
    monkeypatch.setattr(Console, "api_of", lambda _, token, **__: replace(api, token=token))

    def browser(*, required: bool = False) -> TlsBrowser:
        wanted = {"api_use_tls": True, "console_require_client_cert": required}
        settings = make_settings(console_token="page-token").model_copy(update=wanted)
        return TlsBrowser(Console(settings, None, api), ca)  # type: ignore[arg-type]

    return browser


def of(identity: Identity) -> kit.Forgery:
    return kit.Forgery(identity=identity)


def test_the_cookie_is_bound_to_the_host_and_sent_over_tls_alone(tls_browser: NewBrowser) -> None:
    answer = tls_browser().call("POST", "/sign-in", None, token="alice-token")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-bringup=")
    assert "Secure" in cookie.split("; ")


def test_a_page_without_tls_at_the_same_name_is_another_site(tls_browser: NewBrowser) -> None:
    browser = tls_browser()
    assert browser.call("POST", "/sign-in", None, "http://localhost", token="alice-token").status_code == 403
    assert browser.call("POST", "/sign-in", None, token="alice-token").status_code == 303


@pytest.mark.parametrize("shows", [None, of(VERA)], ids=["none", "another person's"])
def test_a_session_by_certificate_needs_this_certificate_ever_after(
    tls_browser: NewBrowser, shows: kit.Forgery | None
) -> None:
    browser = tls_browser()
    assert browser.sign_in("", of(ALICE)) == 303
    assert browser.reads(of(ALICE)) == 200
    assert browser.reads(shows) == 403


@pytest.mark.parametrize("shows", [None, of(VERA)], ids=["none", "another person's"])
def test_where_certificates_are_required_a_session_by_token_needs_its_own_ever_after(
    tls_browser: NewBrowser, shows: kit.Forgery | None
) -> None:
    browser = tls_browser(required=True)
    assert browser.sign_in("alice-token", shows) == 403
    assert browser.sign_in("alice-token", of(ALICE)) == 303
    assert browser.reads(of(ALICE)) == 200
    assert browser.reads(shows) == 403


@pytest.mark.parametrize("wrong", NO_PERSONS.values(), ids=NO_PERSONS)
def test_a_certificate_that_is_no_persons_is_refused(tls_browser: NewBrowser, wrong: Wrong) -> None:
    shows = replace(of(ALICE), **wrong)
    assert tls_browser().sign_in("", shows) == 403
    browser = tls_browser()
    assert browser.sign_in("", of(ALICE)) == 303
    assert browser.reads(shows) == 403


@pytest.mark.parametrize("token", ["vera-token", "guessed"])
def test_a_certificate_does_not_stand_in_for_the_token_that_is_given(tls_browser: NewBrowser, token: str) -> None:
    assert tls_browser().sign_in(token, of(ALICE)) == 403


def test_a_certificate_signs_in_whom_the_api_knows_alone(
    tls_browser: NewBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {token: one for token, one in PEOPLE.items() if one.name != "alice"}
    monkeypatch.setattr("tests.unit.console.conftest.PEOPLE", known)
    assert tls_browser().sign_in("", of(ALICE)) == 403
    assert tls_browser().sign_in("", of(VERA)) == 303


def test_a_browser_that_has_broken_its_connection_is_no_error_of_ours(
    tls_browser: NewBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getpeercert(*_: object, **__: object) -> None:
        raise ValueError("handshake not done yet")

    monkeypatch.setattr(Connected, "getpeercert", getpeercert)
    assert tls_browser().sign_in("alice-token", of(ALICE)) == 400
