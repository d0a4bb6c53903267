"""What a person sees who signs in and watches: machines go through their states while nobody reloads the page."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.console.lab import PHONE, Lab, machines, row

_WORDS = {"passed": "passed", "failed": "failed", "timed_out": "timed out", "degraded": "degraded"}


def test_machines_go_through_their_states_on_a_page_that_nobody_reloads(lab: Lab, screenshots: Path) -> None:
    tab = lab.signed_in()
    tab.evaluate("window.neverReloaded = true")
    seen = row(tab, "r12u01").locator(".state")
    fed = lab.feed()
    expect(seen).to_have_text(re.compile("booting|waiting|running"))
    tab.screenshot(path=screenshots / f"machines-{_kind(lab)}-moving.png")
    for machine in machines():
        if machine.ends.value in _WORDS:
            expect(row(tab, machine.name)).to_contain_text(_WORDS[machine.ends.value])
    assert tab.evaluate("window.neverReloaded")
    tab.reload()  # for the picture: each machine is in its group then
    tab.screenshot(path=screenshots / f"machines-{_kind(lab)}.png")
    fed.join()
    tab.context.close()


def test_a_filter_leaves_only_the_machines_that_fit_and_has_an_address_of_its_own(lab: Lab) -> None:
    tab = lab.signed_in()
    tab.get_by_role("searchbox").fill("r14u0")
    tab.get_by_role("button", name="Show").click()
    expect(row(tab, "r14u03")).to_be_visible()
    expect(row(tab, "r12u01")).to_have_count(0)
    again = tab.context.new_page()
    again.goto(tab.url)
    expect(row(again, "r14u03")).to_be_visible()
    expect(row(again, "r12u01")).to_have_count(0)
    tab.context.close()


def test_a_run_shows_its_timeline_and_its_verdict_check_by_check(lab: Lab, screenshots: Path) -> None:
    tab = lab.signed_in()
    tab.get_by_role("link", name="Run of r12u09").click()
    verdict = tab.get_by_role("region", name="Checks of the verdict")
    expect(verdict.get_by_role("row", name=re.compile("fail memory"))).to_contain_text("64 GiB")
    expect(tab.get_by_role("heading", name=re.compile("Timeline"))).to_be_visible()
    tab.screenshot(path=screenshots / f"run-{_kind(lab)}.png", full_page=True)
    tab.context.close()


def test_a_machine_shows_why_it_would_not_be_powered_now(lab: Lab, screenshots: Path) -> None:
    tab = lab.signed_in()
    row(tab, "r14u11").get_by_role("link", name="r14u11", exact=True).click()
    expect(tab.get_by_role("main")).to_contain_text("disk replacement")
    tab.screenshot(path=screenshots / f"device-{_kind(lab)}.png", full_page=True)
    tab.context.close()


def test_after_signing_out_no_page_opens_and_the_back_button_shows_none(lab: Lab) -> None:
    tab = lab.signed_in()
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.get_by_role("button", name="Sign in")).to_be_visible()
    tab.go_back()
    expect(tab.get_by_role("heading", name="Machines", level=1)).to_have_count(0)
    tab.goto("/machines")
    expect(tab.get_by_role("button", name="Sign in")).to_be_visible()
    tab.context.close()


def test_a_page_whose_console_is_gone_says_so_within_five_seconds(lab: Lab) -> None:
    tab = lab.signed_in()
    tab.context.set_offline(True)
    expect(tab.get_by_text("The console does not answer.")).to_be_visible(timeout=5_500)
    tab.context.set_offline(False)
    expect(tab.get_by_text("The console does not answer.")).to_be_hidden()
    tab.context.close()


def test_nothing_needs_a_sideways_scroll_on_a_phone(lab: Lab, screenshots: Path) -> None:
    tab = lab.signed_in(viewport=PHONE)
    for name, path in _pages(lab):
        tab.goto(path)
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        tab.screenshot(path=screenshots / f"phone-{name}-{_kind(lab)}.png")
    tab.context.close()


def _pages(lab: Lab) -> list[tuple[str, str]]:
    tab = lab.signed_in()
    run = tab.get_by_role("link", name="Run of r12u09").get_attribute("href")
    tab.context.close()
    assert run
    return [("machines", "/machines"), ("run", run), ("device", "/devices/r12u09")]


def _kind(lab: Lab) -> str:
    return "tls" if lab.uses_tls else "plain"
