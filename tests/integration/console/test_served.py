"""``bringup console`` itself, beside a real API: plain, and with mutual TLS."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
import requests

from bringup import tls
from bringup.audit import AuditResult, read
from bringup.connections.api_client import ApiClient
from bringup.errors import ApiRejected, ApiUnavailable
from bringup.model import LeaseAction, LeaseEvent, utc_now
from bringup.wire.operator import DeviceChange, DeviceView
from bringup.wire.run import RunDecision
from tests.integration.console.conftest import ConsoleSite
from tests.integration.workers.site import eventually

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>{{7*7}}"


def shows(*texts: str) -> Callable[[requests.Response], bool]:
    return lambda answer: all(text in answer.text for text in texts)


def poll_of(answer: requests.Response) -> str:
    return answer.text.split('id="live" hx-get="')[1].split('"')[0].replace("&amp;", "&")


# What only certificates decide.
with_tls = pytest.mark.parametrize("served", [True], ids=["tls"], indirect=True, scope="module")


def test_a_change_is_shown_without_asking_the_api(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.tokens["vera"])
    page = browser.await_page("/machines", shows("/devices/a", "/devices/b"))
    served.api("alice").patch("/devices/b", DeviceChange(maintenance="fan replacement"), DeviceView)
    browser.await_page(poll_of(page), shows("/devices/b", "fan replacement"))


def test_the_token_of_services_and_that_of_the_console_sign_nobody_in(served: ConsoleSite) -> None:
    token = served.site.settings.api_token
    assert token
    for one in (token.get_secret_value(), served.tokens["console"]):
        assert served.browser().form("/sign-in", token=one).status_code == 403


def test_what_a_machine_puts_in_its_lease_is_text_on_its_pages(served: ConsoleSite) -> None:
    lease = LeaseEvent(
        mac="02:00:00:00:77:01",
        ip=IPv4Address("192.0.2.77"),
        action=LeaseAction.ASSIGNED,
        starts=utc_now(),
        hostname=MARKUP,
        vendor_class=MARKUP,
        client_id=MARKUP,
        circuit_id=MARKUP,
        source="tests",
    )
    ApiClient(served.site.settings, tls.ClientContexts()).put(f"/runs/{lease.run_id}", lease, RunDecision)
    browser = served.browser().sign_in(served.tokens["vera"])
    pages = [
        browser.await_page("/machines?text=192.0.2.77", shows("192.0.2.77")),
        browser.page(f"/runs/{lease.run_id}"),
    ]
    assert "&lt;script&gt;alert(1)" in pages[1].text, "the host name is shown"
    for page in pages:
        assert page.status_code == 200
        assert not any(part in page.text for part in ("<script>alert", "<img src=x", ">49<"))


def test_polls_do_not_fill_the_log_and_pages_are_in_it(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.tokens["vera"])
    page = browser.await_page("/machines", shows("/devices/a"))
    assert browser.page(poll_of(page)).status_code in {200, 204}
    eventually(lambda: "GET /machines 200" in served.log.read_text(), 60, "the page is in the log")
    browser.page("/health")  # whatever there is to log of the poll is logged before the next call
    assert "/machines/live" not in served.log.read_text()


def test_what_the_console_sends_for_a_person_is_on_record_with_both_names(served: ConsoleSite) -> None:
    served.api("alice").patch("/devices/a", DeviceChange(maintenance="x"), DeviceView)
    newest = list(read(served.site.stack.settings_of("api").audit_path))[-1]
    assert (newest.who, newest.console, newest.result) == ("alice", "console", AuditResult.DONE)
    assert newest.certificate == ("console.console" if served.uses_tls else None)


@pytest.mark.parametrize("certificate", [("worker", "worker"), ("operator", "zoe"), ("operator", "alice")])
@with_tls
def test_the_token_of_a_console_is_of_no_use_without_its_certificate(
    served: ConsoleSite, certificate: tuple[str, str]
) -> None:
    with pytest.raises(ApiRejected, match="the token of console console needs its certificate"):
        served.api("alice", certificate=certificate).patch("/devices/a", DeviceChange(maintenance="x"), DeviceView)


@with_tls
def test_the_certificate_of_a_console_alone_lets_nobody_act(served: ConsoleSite) -> None:
    with pytest.raises(ApiRejected, match="this is the token of no console"):
        served.api("alice", console=served.tokens["vera"]).patch(
            "/devices/a", DeviceChange(maintenance="x"), DeviceView
        )


@with_tls
def test_a_person_signs_in_by_certificate_and_reads(served: ConsoleSite) -> None:
    browser = served.browser("operator", "alice").sign_in()
    assert "reads only" in browser.await_page("/machines", shows("/devices/a")).text


@with_tls
def test_a_session_by_certificate_is_of_no_use_without_it(served: ConsoleSite) -> None:
    """A client that has copied the cookie, or the person after their certificate was revoked."""
    browser, without = served.browser("operator", "alice").sign_in(), served.browser()
    without.cookies.update(browser.cookies)
    assert browser.page("/machines").status_code == 200
    assert without.page("/machines").status_code == 403


@with_tls
def test_a_certificate_of_a_person_who_is_no_operator_signs_nobody_in(served: ConsoleSite) -> None:
    assert served.browser("operator", "zoe").form("/sign-in", token="").status_code == 403


@with_tls
def test_a_certificate_that_is_no_persons_is_refused(served: ConsoleSite) -> None:
    assert served.browser("worker", "worker").form("/sign-in", token=served.tokens["alice"]).status_code == 403


@with_tls
def test_token_and_certificate_of_two_persons_sign_nobody_in(served: ConsoleSite) -> None:
    assert served.browser("operator", "alice").form("/sign-in", token=served.tokens["vera"]).status_code == 403


@with_tls
def test_a_console_may_insist_on_certificates(served: ConsoleSite) -> None:
    with served.console(CONSOLE_REQUIRE_CLIENT_CERT="true") as base:
        with_it, without = served.browser("operator", "alice"), served.browser()
        with_it.base = without.base = base
        assert without.form("/sign-in", token=served.tokens["alice"]).status_code == 403
        with_it.sign_in(served.tokens["alice"])
        assert with_it.page("/machines").status_code == 200
        # The cookie alone, as a client that has copied it.
        without.cookies.update(with_it.cookies)
        assert without.page("/machines").status_code == 403


@with_tls
def test_the_page_is_not_served_in_plain_text_when_tls_is_on(served: ConsoleSite) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(served.base.replace("https", "http") + "/health", timeout=60)


@with_tls
def test_the_cookie_is_bound_to_the_host_with_tls(served: ConsoleSite) -> None:
    cookie = served.browser().form("/sign-in", token=served.tokens["alice"]).headers["Set-Cookie"]
    assert cookie.startswith("__Host-bringup=")
    assert "; Secure" in cookie


def test_a_person_who_is_removed_is_signed_out(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.add("rob", "operator"))
    assert browser.page("/machines").status_code == 200
    served.site.stack.command("operator", "remove", "rob")
    browser.await_page("/machines", lambda answer: answer.status_code == 303)


def test_the_page_says_so_while_the_api_is_away_and_goes_on_afterwards(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.tokens["alice"])
    browser.await_page("/machines", shows("/devices/a"))
    served.site.stack.stop("api")
    away = browser.await_page("/machines", shows("The API does not answer"))
    assert "/devices/a" in away.text
    with pytest.raises(ApiUnavailable):
        served.api("alice").get("/devices/a", DeviceView)
    served.site.stack.start("api")
    browser.await_page("/machines", lambda answer: "The API does not answer" not in answer.text)
