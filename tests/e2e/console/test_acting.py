"""What a person does with a real browser: one machine and several at once, by mouse, keyboard and phone."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.console.lab import PHONE, SCHEMES, Lab, row

THREE = ("r14u03", "r14u04", "r14u05")


@pytest.fixture(autouse=True, scope="module")
def _nobody_works(lab: Lab) -> None:
    """Runs that are started wait for a worker: none ends by itself before a person has aborted it."""
    lab.stack.stop("work")


def preview(tab: Page, action: str, *machines: str) -> None:
    """Select machines in the list, and open the preview."""
    tab.goto("/machines?text=r14")
    for name in machines:
        tab.get_by_label(f"Select {name}", exact=True).check()
    tab.get_by_label("For several machines").select_option(label=action)
    tab.get_by_role("button", name=f"Preview for the selected {len(machines)}").click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text(action)


def confirm(tab: Page, label: str, reason: str = "") -> None:
    """Press the one button of the preview."""
    if reason:
        tab.get_by_label("Reason").fill(reason)
    tab.get_by_role("button", name=label).click()


def test_three_machines_are_withheld_and_approved_at_once(lab: Lab, screenshots: Path) -> None:
    tab = lab.signed_in()
    preview(tab, "Withhold", *THREE)
    expect(tab.get_by_role("status")).to_have_text("3 would be withheld.")
    confirm(tab, "Withhold: 3")
    expect(tab.get_by_role("status")).to_have_text("3 withheld.")
    preview(tab, "Approve", *THREE, "r14u10")
    expect(tab.get_by_role("status")).to_contain_text("3 would be approved, 1 would not: r14u10 because")
    tab.screenshot(path=screenshots / f"preview-{_kind(lab)}.png", full_page=True)
    confirm(tab, "Approve: 3")
    expect(tab.get_by_role("status")).to_have_text("3 approved.")
    tab.screenshot(path=screenshots / f"result-{_kind(lab)}.png", full_page=True)
    tab.get_by_role("link", name="Back").first.click()
    expect(row(tab, "r14u03").locator(".state")).to_have_text("approved")
    tab.context.close()


def test_a_run_is_started_and_aborted_with_a_reason(lab: Lab) -> None:
    tab = lab.signed_in()
    tab.goto("/devices/r12u07")
    tab.get_by_role("button", name="Start a run").click()
    expect(tab.get_by_role("status")).to_have_text("1 would start.")
    confirm(tab, "Start a run: 1")
    expect(tab.get_by_role("status")).to_have_text("1 started.")
    tab.get_by_role("link", name="Back").first.click()
    # The page offers it by itself, as soon as the run is under way.
    tab.get_by_role("button", name="Abort the run").click()
    expect(tab.get_by_role("status")).to_have_text("1 would be aborted.")
    confirm(tab, "Abort the run: 1", "wrong cable")
    expect(tab.get_by_role("status")).to_have_text("1 aborted.")
    tab.get_by_role("link", name="Back").first.click()
    expect(tab.get_by_label("The machine in short")).to_contain_text("wrong cable")
    tab.context.close()


def test_the_back_button_and_a_reload_do_nothing_twice(lab: Lab) -> None:
    tab = lab.signed_in()
    preview(tab, "Put in maintenance", "r14u06")
    confirm(tab, "Put in maintenance: 1", "fan")
    expect(tab.get_by_role("status")).to_have_text("1 put in maintenance.")
    result = tab.url
    tab.reload()
    expect(tab.get_by_role("status")).to_have_text("1 put in maintenance.")
    tab.go_back()
    tab.goto(result)
    expect(tab.get_by_role("button", name=re.compile("Put in maintenance"))).to_have_count(0)
    tab.context.close()


def test_what_is_selected_stays_selected_while_the_list_changes(lab: Lab) -> None:
    tab, other = lab.signed_in(), lab.signed_in()
    tab.goto("/machines?text=r14u07")
    box = tab.get_by_label("Select r14u07", exact=True)
    box.check()
    preview(other, "Put in maintenance", "r14u07")
    confirm(other, "Put in maintenance: 1", "new disk")
    expect(row(tab, "r14u07")).to_contain_text("new disk")
    expect(box).to_be_checked()
    tab.context.close()
    other.context.close()


def test_the_keyboard_suffices_to_select_preview_and_confirm(lab: Lab) -> None:
    tab = lab.signed_in()
    tab.goto("/machines?text=r14u08")
    tab.get_by_label("Select r14u08", exact=True).focus()
    tab.keyboard.press("Space")
    tab.keyboard.press("Tab")
    tab.get_by_label("For several machines").focus()
    tab.keyboard.type("Withhold")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("status")).to_have_text("1 would be withheld.")
    tab.get_by_role("button", name="Withhold: 1").focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("status")).to_have_text("1 withheld.")
    tab.context.close()


def test_a_viewer_sees_no_button(lab: Lab) -> None:
    output = lab.stack.command("operator", "add", "vera", "--role", "viewer").stdout
    token = output.split("TOKEN=")[1].split()[0]
    tab = lab.context().new_page()
    tab.goto("/sign-in")
    tab.get_by_label("Token").fill(token)
    tab.get_by_role("button", name="Sign in").click()
    expect(row(tab, "r12u01")).to_be_visible()
    for path in ("/machines", "/devices/r12u01", "/services"):
        tab.goto(path)
        expect(tab.locator("form[action='/actions']")).to_have_count(0)
        expect(tab.get_by_role("checkbox")).to_have_count(0)
    tab.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_no_violation_where_people_act(lab: Lab, scheme: str) -> None:
    tab = lab.signed_in(color_scheme=scheme)
    for path in ("/machines", "/devices/r14u09", "/services"):
        tab.goto(path)
        _check(tab)
    preview(tab, "Put in maintenance", "r14u09", "r14u10")
    _check(tab)
    confirm(tab, "Put in maintenance: 2", f"cable, {scheme}")
    expect(tab.get_by_role("status")).to_contain_text("put in maintenance")
    _check(tab)
    tab.context.close()


def test_a_phone_shows_all_of_it_without_a_sideways_scroll(lab: Lab, screenshots: Path) -> None:
    tab = lab.signed_in(viewport=PHONE)
    preview(tab, "Put in maintenance", "r14u01")
    pages = ("/machines", "/devices/r14u09", "/services", re.sub(r"^https?://[^/]+", "", tab.url))
    for path in pages:
        tab.goto(path)
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        name = path.strip("/").split("/")[0]
        tab.screenshot(path=screenshots / f"phone-acting-{name}-{_kind(lab)}.png")
    tab.context.close()


def test_the_services_page_names_first_what_needs_a_person(lab: Lab, screenshots: Path) -> None:
    tab = lab.signed_in()
    tab.get_by_role("link", name="Services").click()
    expect(tab.get_by_role("heading", name=re.compile("Needs a person"))).to_be_visible()
    expect(tab.get_by_role("main")).to_contain_text("No worker serves the queue")
    tab.screenshot(path=screenshots / f"services-{_kind(lab)}.png", full_page=True)
    tab.context.close()


@pytest.mark.parametrize("lab", [True], ids=["tls"], indirect=True, scope="module")
def test_a_certificate_in_the_browser_reads_and_acts_with_the_token(lab: Lab) -> None:
    lab.stack.command("pki", "issue", "operator", "--name", "demo")
    issued = lab.stack.settings.pki_dir / "issued" / "operator"
    own = {
        "origin": lab.sign_in.address,
        "certPath": issued / "demo-cert.pem",
        "keyPath": issued / "demo-key.pem",
    }
    # Playwright presents the certificate by a proxy of its own, which does not read the browser's store of CAs.
    tab = lab.context(client_certificates=[own], ignore_https_errors=True).new_page()
    tab.goto("/sign-in")
    expect(tab.get_by_role("main")).to_contain_text("This browser has the certificate of demo.")
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_text("reads only")).to_be_visible()
    expect(tab.get_by_role("checkbox")).to_have_count(0)
    tab.get_by_role("button", name="Sign out").click()
    tab.get_by_label("Token").fill(lab.sign_in.token)
    tab.get_by_role("button", name="Sign in").click()
    preview(tab, "Withhold", "r14u02")
    confirm(tab, "Withhold: 1")
    expect(tab.get_by_role("status")).to_have_text("1 withheld.")
    tab.context.close()


def _check(tab: Page) -> None:
    found = Axe().run(tab)
    assert found.violations_count == 0, f"{tab.url}\n{found.generate_report()}"


def _kind(lab: Lab) -> str:
    return "tls" if lab.uses_tls else "plain"
