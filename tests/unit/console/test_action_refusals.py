"""Who may not act at the page, and what a form may not name."""

from collections.abc import Callable

import pytest

from bringup.wire.actions import TargetPreview
from console import guard
from console.services import Console
from tests.unit.console.acting import ask, changes, confirm, four_machines, pages
from tests.unit.console.conftest import RUN_ID, Browser, FakeApi
from tests.unit.console.test_pages import MARKUP, is_text

NewBrowser = Callable[[], Browser]


@pytest.fixture(autouse=True)
def _fleet(console: Console) -> None:
    four_machines(console)


def test_a_viewer_sees_no_button(new_browser: NewBrowser, api: FakeApi) -> None:
    pages(api)
    viewer, operator = new_browser(), new_browser()
    viewer.sign_in("vera-token")
    operator.sign_in()
    for path in ("/machines", "/devices/d", f"/runs/{RUN_ID}"):
        assert 'action="/actions"' in operator.get(path).text, path
        assert 'action="/actions"' not in viewer.get(path).text, path
        assert 'type="checkbox"' not in viewer.get(path).text, path


def test_a_viewer_is_refused_by_the_page(new_browser: NewBrowser, api: FakeApi) -> None:
    viewer = new_browser()
    viewer.sign_in("vera-token")
    for path in ("/actions", "/actions/x"):
        form = {"csrf": viewer.csrf, "action": "start", "machine": "a"}
        assert viewer.post(path, form).status_code == 403
    assert not changes(api)


def test_a_person_with_a_certificate_alone_is_refused_with_what_to_do(
    browser: Browser, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "certificate_holder", lambda: "alice")
    key = console.sessions.begin(console.sessions.get(cookie(browser)).operator, None)  # type: ignore[union-attr]
    browser.client.set_cookie("bringup", key)
    answer = ask(browser, "start", "a")
    assert answer.status_code == 403
    assert "Sign in with your token, too" in answer.text


def cookie(browser: Browser) -> str:
    found = browser.client.get_cookie("bringup")
    assert found
    return found.value


@pytest.mark.parametrize("step", ["preview", "confirm"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.example"}, {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}],
)
def test_an_action_of_another_site_is_refused(
    browser: Browser, api: FakeApi, step: str, headers: dict[str, str]
) -> None:
    path = "/actions" if step == "preview" else ask(browser, "start", "a").request.path
    form = {"csrf": browser.csrf, "action": "start", "machine": "a"}
    assert browser.client.post(path, data=form, headers=headers).status_code == 403
    assert not changes(api)


@pytest.mark.parametrize("csrf", ["", "guessed", "of another session"])
def test_an_action_without_the_token_of_its_session_is_refused(
    browser: Browser, new_browser: NewBrowser, api: FakeApi, csrf: str
) -> None:
    other = new_browser()
    other.sign_in()
    page = ask(browser, "start", "a")
    given = other.csrf if csrf == "of another session" else csrf
    assert browser.post("/actions", {"csrf": given, "action": "start", "machine": "a"}).status_code == 403
    assert browser.post(page.request.path, {"csrf": given}).status_code == 403
    assert not changes(api)


def test_the_preview_of_another_session_is_not_found(browser: Browser, new_browser: NewBrowser, api: FakeApi) -> None:
    page, other = ask(browser, "start", "a"), new_browser()
    other.sign_in()
    assert other.get(page.request.path).status_code == 404
    assert other.post(page.request.path, {"csrf": other.csrf}).status_code == 404
    assert not changes(api)


def test_nothing_is_done_after_the_session_has_ended(browser: Browser, console: Console, api: FakeApi) -> None:
    page, form = ask(browser, "start", "a"), {"csrf": browser.csrf}
    console.sessions.end(cookie(browser))
    assert browser.post(page.request.path, form).status_code == 401
    assert browser.get(page.request.path).status_code == 303
    assert not changes(api)


# What a form may name.


@pytest.mark.parametrize("name", ["..", "../runs", "a/b", "a?b", "", " ", "%2e%2e", ".hidden", "x" * 65, "a\n"])
@pytest.mark.parametrize("action", ["start", "abort"])
def test_a_name_that_no_page_shows_is_refused(browser: Browser, api: FakeApi, name: str, action: str) -> None:
    api.calls.clear()
    assert ask(browser, action, name).status_code == 400
    assert not api.calls


@pytest.mark.parametrize("run_id", ["..", f"{RUN_ID}/abort", "../devices/a", "", RUN_ID + "\n"])
def test_a_run_that_no_page_shows_is_refused(browser: Browser, api: FakeApi, run_id: str) -> None:
    api.calls.clear()
    assert ask(browser, "abort", run=run_id).status_code == 400
    assert not api.calls


@pytest.mark.parametrize("action", ["", "delete", "../start"])
def test_an_action_that_there_is_not_is_refused(browser: Browser, action: str) -> None:
    assert ask(browser, action, "a").status_code == 400


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "javascript:alert(1)"])
def test_the_way_back_leads_to_a_page_of_ours(browser: Browser, back: str) -> None:
    page = ask(browser, "start", "a", back=back)
    assert "evil" not in page.text
    assert "javascript:" not in page.text


def test_whatever_the_api_and_people_write_is_text(browser: Browser, api: FakeApi) -> None:
    api.previews["a"] = TargetPreview(
        target="a", would=True, warnings=(MARKUP,), state=f"approved (maintenance: {MARKUP})", becomes=MARKUP
    )
    api.previews["b"] = TargetPreview(target="b", would=False, reason=MARKUP, state=MARKUP)
    page = ask(browser, "maintenance", "a", "b", back=f"/machines?text={MARKUP}")
    assert is_text(page.text)
    assert is_text(confirm(browser, page, reason=MARKUP).text)
    job = ask(browser, "discard", job=MARKUP)
    assert job.status_code == 200
    assert is_text(job.text)
