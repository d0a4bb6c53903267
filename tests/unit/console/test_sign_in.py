"""Who gets in, for how long, and what every request must show."""

from collections.abc import Callable
from typing import Any

import pytest

from console import guard
from console.app import create_app
from console.guard import cookie_name
from console.server import end_sessions_of_others
from console.services import Console
from console.session import SESSION_S, Attempts, Sessions
from tests.conftest import MakeSettings
from tests.unit.console.conftest import PEOPLE, Browser, FakeApi, snapshot

NewBrowser = Callable[[], Browser]
PAGES = ["/machines", "/machines/live", "/runs/02-00-00-00-00-01-1", "/devices/a"]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_shown_to_a_stranger(new_browser: NewBrowser, path: str) -> None:
    answer = new_browser().get(path)
    assert answer.status_code == 303
    assert answer.location.startswith("/sign-in")


@pytest.mark.parametrize("token", ["alice-token", "vera-token"])
def test_an_operator_and_a_viewer_sign_in(new_browser: NewBrowser, token: str) -> None:
    browser = new_browser()
    assert browser.sign_in(token).location == "/machines"
    assert browser.get("/machines").status_code == 200


@pytest.mark.parametrize("token", ["", "guessed", "page-token", "cmdb-token", "täuschung", "a\nb", "x" * 5000])
def test_any_other_token_is_refused(new_browser: NewBrowser, token: str) -> None:
    browser = new_browser()
    assert browser.sign_in(token).status_code == 403
    assert browser.get("/machines").status_code == 303


@pytest.mark.parametrize("token", ["täuschung", "a\nb"])
def test_a_token_that_no_header_could_carry_is_not_sent(new_browser: NewBrowser, api: FakeApi, token: str) -> None:
    new_browser().sign_in(token)
    assert not api.calls


def test_a_token_that_is_too_long_is_cut(new_browser: NewBrowser, api: FakeApi) -> None:
    new_browser().sign_in("x" * 5000)
    assert api.calls == [("GET", "/operators/me", "x" * 256)]


def test_the_cookie_is_for_this_page_alone(new_browser: NewBrowser) -> None:
    cookie = new_browser().sign_in().headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={SESSION_S}"} <= set(cookie.split("; "))


def test_with_tls_the_cookie_is_bound_to_the_host(make_settings: MakeSettings, api: FakeApi) -> None:
    settings = make_settings(console_token="page-token").model_copy(update={"api_use_tls": True})
    console = Console(settings, None, api)  # type: ignore[arg-type]
    with create_app(console).test_request_context():
        assert cookie_name() == "__Host-bringup"


def test_a_session_id_that_a_request_brings_is_never_used(new_browser: NewBrowser) -> None:
    """Session fixation."""
    browser = new_browser()
    browser.client.set_cookie("bringup", "chosen-by-an-attacker")
    browser.sign_in()
    cookie = browser.client.get_cookie("bringup")
    assert cookie
    assert cookie.value != "chosen-by-an-attacker"


def test_signing_in_again_ends_the_session_before(new_browser: NewBrowser, console: Console) -> None:
    browser = new_browser()
    browser.sign_in()
    before = browser.client.get_cookie("bringup")
    browser.sign_in("vera-token")
    assert before
    assert console.sessions.get(before.value) is None


def test_signing_out_ends_the_session(browser: Browser) -> None:
    cookie = browser.client.get_cookie("bringup")
    answer = browser.post("/sign-out", {"csrf": browser.csrf})
    assert answer.location == "/sign-in"
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert cookie
    assert browser.console.sessions.get(cookie.value) is None


def test_an_operator_by_certificate_alone_may_sign_in_with_their_token_too(
    browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "certificate_holder", lambda: "alice")
    browser.client.set_cookie("bringup", console.sessions.begin(PEOPLE["alice-token"], None))
    assert "reads only: sign in with your token" in browser.get("/machines").text
    assert browser.get("/sign-in").status_code == 200
    assert browser.sign_in().status_code == 303
    assert "reads only" not in browser.get("/machines").text
    assert browser.get("/sign-in").status_code == 303


def test_a_session_ends_after_a_shift() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    key = sessions.begin(PEOPLE["alice-token"], "alice-token")
    now = SESSION_S - 1
    assert sessions.get(key)
    now = SESSION_S + 1
    assert sessions.get(key) is None


@pytest.mark.parametrize("changed", ["removed", "role", "token"])
def test_a_session_ends_when_its_person_is_removed_or_changed(
    browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    end_sessions_of_others(console)
    assert browser.get("/machines").status_code == 200
    alice = PEOPLE["alice-token"]
    known: dict[str, Any] = {
        "removed": {},
        "role": {"alice-token": alice.model_copy(update={"role": "viewer"})},
        "token": {"alice-token": alice.model_copy(update={"added": alice.added.replace(year=2027)})},
    }[changed]
    monkeypatch.setattr("tests.unit.console.conftest.PEOPLE", known)
    end_sessions_of_others(console)
    assert browser.get("/machines").status_code == 303


def test_one_person_has_a_bounded_number_of_sessions() -> None:
    sessions = Sessions()
    keys = [sessions.begin(PEOPLE["alice-token"], "t") for _ in range(12)]
    assert [sessions.get(key) is not None for key in keys] == [False] * 2 + [True] * 10


def test_tries_to_sign_in_are_bounded_and_possible_again_later() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    assert [attempts.begin("192.0.2.1") for _ in range(11)] == [0.0] * 10 + [300.0]
    assert attempts.begin("192.0.2.2") == 0
    now = 301
    assert attempts.begin("192.0.2.1") == 0


def test_an_address_that_tries_too_often_is_refused_with_the_right_token_too(new_browser: NewBrowser) -> None:
    browser = new_browser()
    for _ in range(10):
        assert browser.sign_in("guessed").status_code == 403
    answer = browser.sign_in()
    assert answer.status_code == 429
    assert "Too many tries" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_site_is_refused(browser: Browser, path: str, headers: dict[str, str]) -> None:
    form = {"token": "alice-token", "csrf": browser.csrf}
    assert browser.client.post(path, data=form, headers=headers).status_code == 403


@pytest.mark.parametrize("csrf", ["", "guessed"])
def test_a_form_without_the_token_of_its_session_is_refused(browser: Browser, csrf: str) -> None:
    assert browser.post("/sign-out", {"csrf": csrf}).status_code == 403
    assert browser.get("/machines").status_code == 200


def test_a_form_with_the_token_of_another_session_is_refused(browser: Browser, new_browser: NewBrowser) -> None:
    other = new_browser()
    other.sign_in("vera-token")
    assert browser.post("/sign-out", {"csrf": other.csrf}).status_code == 403


@pytest.mark.parametrize("path", ["/machines", "/sign-in", "/none", "/static/x/console.css"])
def test_every_response_forbids_what_is_not_needed(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_pages_are_kept_by_no_cache(browser: Browser) -> None:
    assert browser.get("/machines").headers["Cache-Control"] == "no-store"


def test_no_script_and_no_style_is_inline(browser: Browser, console: Console) -> None:
    console.fleet.apply(snapshot())
    for path in ("/machines", "/sign-in"):
        text = browser.get(path).text
        assert "<style" not in text
        assert " style=" not in text
        assert " on" not in {part[:3] for part in text.split("<script")[1:]}
        assert "<script>" not in text
