"""What every response carries, and what no request may have."""

from collections.abc import Callable

import pytest

from console.views.static import address_of
from tests.unit.console.conftest import Browser

NewBrowser = Callable[[], Browser]


def test_a_page_loads_and_sends_nothing_but_to_its_own_address(browser: Browser) -> None:
    headers = browser.get("/machines").headers
    own = {f"{what} 'self'" for what in ("script-src", "style-src", "img-src", "connect-src", "form-action")}
    none = {f"{what} 'none'" for what in ("default-src", "base-uri", "frame-ancestors")}
    assert set(headers["Content-Security-Policy"].split("; ")) == own | none
    assert headers["X-Frame-Options"] == "DENY"
    names = ("Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy")
    assert [headers[name] for name in names] == ["same-origin"] * 3


def test_a_form_that_is_too_large_is_refused(new_browser: NewBrowser) -> None:
    assert new_browser().sign_in("x" * 300_000).status_code == 413


@pytest.mark.parametrize("site", ["http://localhost", "https://evil.example"])
def test_a_poll_of_a_stranger_leads_to_sign_in_and_back_to_its_page(new_browser: NewBrowser, site: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"{site}/machines?state=failed"}
    answer = new_browser().get("/machines/live", **headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=%2Fmachines%3Fstate%3Dfailed"


def test_a_file_is_served_by_the_address_of_its_content_alone(browser: Browser) -> None:
    assert browser.get(address_of("console.css")).status_code == 200
    assert browser.get("/static/000000000000/console.css").status_code == 404
