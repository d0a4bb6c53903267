"""Where a person is sent after signing in: to the page that they wanted, and to no other site."""

from collections.abc import Callable

import pytest

from console.guard import own_path
from tests.unit.console.conftest import Browser

NewBrowser = Callable[[], Browser]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "https:/evil.example",  # browsers add the slash that is missing
        "//evil.example",
        "//evil.example/machines",
        "https:///machines",
        "////evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        None,
        "x",
        "/a\nb",
    ],
)
def test_nobody_is_sent_to_another_site(address: str | None) -> None:
    assert own_path(address) == "/machines"


def test_after_signing_in_one_is_where_one_wanted_to_be(new_browser: NewBrowser) -> None:
    browser = new_browser()
    answer = browser.post("/sign-in", {"token": "alice-token", "next": "/machines?state=failed"})
    assert answer.location == "/machines?state=failed"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/machines", "//evil.example/machines"])
def test_signing_in_leads_to_no_other_site(new_browser: NewBrowser, elsewhere: str) -> None:
    browser = new_browser()
    assert "evil.example" not in browser.get(f"/sign-in?next={elsewhere}").text
    assert browser.post("/sign-in", {"token": "alice-token", "next": elsewhere}).location == "/machines"
    assert browser.get(f"/sign-in?next={elsewhere}").location == "/machines"


def test_an_address_with_an_empty_part_is_not_redirected_to_the_host_that_the_client_names(browser: Browser) -> None:
    assert browser.get("/devices//a", Host="evil.example").status_code == 404


def test_a_link_from_another_site_asks_again_for_itself(new_browser: NewBrowser) -> None:
    """SameSite=Strict: the browser does not send the cookie with it."""
    answer = new_browser().get("/machines", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0"' in answer.text


def test_an_address_that_is_none_is_no_failure_of_the_page(new_browser: NewBrowser) -> None:
    browser = new_browser()
    assert browser.get("/sign-in?next=//[").status_code == 200
    assert browser.post("/sign-in", {"token": "guessed"}, Origin="http://[").status_code == 403
    poll = browser.get("/machines", **{"HX-Request": "true", "HX-Current-URL": "http://["})
    assert poll.headers["HX-Redirect"].endswith("machines")
