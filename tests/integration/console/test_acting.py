"""People act at a real console beside a real API: what is done, on record, and refused by both."""

import re
from collections.abc import Callable

import pytest
import requests

from bringup.audit import AuditEntry, AuditResult, read
from bringup.errors import ApiRejected
from bringup.model import DeviceState
from bringup.wire.operator import DeviceChange, DeviceView, StartRequest
from bringup.wire.run import RunDecision
from tests.integration.console.conftest import Browser, ConsoleSite


def csrf_of(browser: Browser) -> str:
    """The token that the forms of this session have."""
    found = re.search(r'name="csrf" value="([^"]+)"', browser.page("/machines").text)
    assert found
    return found[1]


def ask(browser: Browser, action: str, *machines: str) -> str:
    """The address of a preview."""
    answer = browser.form("/actions", csrf=csrf_of(browser), action=action, machine=list(machines))
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def confirm(browser: Browser, preview: str, **fields: str) -> str:
    """The text of the result, when it is there."""
    answer = browser.form(preview, csrf=csrf_of(browser), **fields)
    assert answer.status_code == 303, answer.text
    return browser.await_page(preview, lambda page: 'id="live"' not in page.text).text


def done(served: ConsoleSite) -> list[AuditEntry]:
    found = read(served.site.stack.settings_of("api").audit_path)
    return [entry for entry in found if entry.result is AuditResult.DONE]


def shows(text: str) -> Callable[[requests.Response], bool]:
    return lambda answer: text in answer.text


def test_a_person_puts_machines_in_maintenance_and_is_on_record(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.tokens["alice"])
    preview = ask(browser, "maintenance", "a", "b", "active")
    assert "3 would be put in maintenance" in browser.page(preview).text
    assert "3 put in maintenance" in confirm(browser, preview, reason="new switch")
    newest = done(served)[-3:]
    assert {(entry.who, entry.console, entry.action) for entry in newest} == {
        ("alice", "console", "device.maintenance")
    }
    browser.await_page("/machines?text=active", shows("new switch"))
    assert "3 taken out of maintenance" in confirm(browser, ask(browser, "end-maintenance", "a", "b", "active"))


def test_each_target_has_its_own_result_and_its_own_reason(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.tokens["alice"])
    preview = ask(browser, "approve", "a", "active", "none")
    text = browser.page(preview).text
    assert "0 would be approved, 3 would not" in text
    assert "none because there is no such device" in text
    assert "the machine is in service" in text or "the machine is active in the inventory" in text


def test_a_run_is_started_aborted_and_repeated(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.tokens["alice"])
    browser.await_page("/machines?text=b", shows("/devices/b"))
    assert "1 started" in confirm(browser, ask(browser, "start", "b"), reason="by hand")
    browser.await_page("/machines?text=b", shows("Run of b"))
    preview = ask(browser, "abort", "b")
    assert "1 aborted" in confirm(browser, preview, reason="wrong cable")
    assert "1 aborted" in confirm(browser, preview), "sent again, it shows the same result"
    actions = [entry.action for entry in done(served)]
    assert actions[-2:] == ["run.start", "run.abort"]
    browser.await_page("/machines?text=b", shows("aborted"))
    assert "would" in browser.page(ask(browser, "repeat", "b")).text


def test_what_another_person_has_changed_since_the_preview_is_refused(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.tokens["alice"])
    preview = ask(browser, "withhold", "a")
    served.api("alice").patch("/devices/a", DeviceChange(state=DeviceState.ACTIVE), DeviceView)
    text = confirm(browser, preview)
    assert "0 withheld, 1 was not" in text
    assert "since the preview" in text
    assert served.api("alice").get("/devices/a", DeviceView).state is DeviceState.ACTIVE
    served.api("alice").patch("/devices/a", DeviceChange(state=DeviceState.APPROVED), DeviceView)


def test_a_viewer_is_refused_by_the_console_and_by_the_api(served: ConsoleSite) -> None:
    viewer = served.browser().sign_in(served.tokens["vera"])
    assert viewer.form("/actions", csrf=csrf_of(viewer), action="start", machine="a").status_code == 403
    with pytest.raises(ApiRejected, match="vera is a viewer"):
        served.api("vera").post("/devices/a/runs", StartRequest(), RunDecision)


def test_an_operator_who_was_removed_changes_nothing(served: ConsoleSite) -> None:
    browser = served.browser().sign_in(served.add("tim", "operator"))
    csrf, preview = csrf_of(browser), ask(browser, "withhold", "a")
    before = len(done(served))
    served.site.stack.command("operator", "remove", "tim")
    # Within 5 s the session ends; until then the API refuses the token.
    answer = browser.form(preview, csrf=csrf)
    assert answer.status_code in {303, 401}
    browser.await_page("/machines", lambda page: page.status_code == 303)
    assert [entry for entry in done(served)[before:] if entry.action == "device.withhold"] == []


@pytest.mark.parametrize("whose", ["worker", "console"])
def test_the_token_of_a_service_signs_nobody_in(served: ConsoleSite, whose: str) -> None:
    token = served.site.settings.api_token
    assert token
    given = token.get_secret_value() if whose == "worker" else served.tokens["console"]
    assert served.browser().form("/sign-in", token=given).status_code == 403
