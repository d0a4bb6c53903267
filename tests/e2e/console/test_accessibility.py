"""Everybody can use the page: axe-core finds nothing, the keyboard suffices, both colour schemes are readable."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.console.lab import SCHEMES, Lab, row

pytestmark = [pytest.mark.parametrize("lab", [False], ids=["plain"], indirect=True), pytest.mark.usefixtures("fed")]


@pytest.fixture(scope="module")
def fed(lab: Lab) -> None:
    """Every run has ended."""
    lab.feed().join()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_no_violation_on_any_page(lab: Lab, scheme: str) -> None:
    anybody = lab.context(color_scheme=scheme).new_page()
    anybody.goto("/sign-in")
    _check(anybody)
    tab = lab.signed_in(color_scheme=scheme)
    expect(row(tab, "r12u09")).to_be_visible()
    run = tab.get_by_role("link", name="Run of r12u09").get_attribute("href")
    assert run
    for path in (
        "/machines",
        "/machines?group=rack",
        "/machines?text=nothing-has-this-name",
        run,
        "/devices/r12u09",
    ):
        tab.goto(path)
        _check(tab)
    tab.goto("/machines")
    tab.get_by_text("The whole fleet").click()
    expect(tab.locator("details svg").first).to_be_visible()
    _check(tab)
    tab.goto("/devices/no-such-machine")
    _check(tab)
    tab.context.close()


def test_the_keyboard_suffices_to_sign_in_filter_and_open_a_machine(lab: Lab) -> None:
    tab = lab.context().new_page()
    tab.goto("/")
    _tab_to(tab, "input[name=token]")
    tab.keyboard.type(lab.sign_in.token)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Machines", level=1)).to_be_visible()
    tab.keyboard.press("/")
    tab.keyboard.type("r12u09")
    tab.keyboard.press("Enter")
    expect(row(tab, "r12u01")).to_have_count(0)
    _tab_to(tab, "a[href='/devices/r12u09']")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="r12u09", level=1)).to_be_visible()
    tab.context.close()


def _tab_to(tab: Page, selector: str) -> None:
    """Press Tab until the element has the focus, and see that a person would see it."""
    for _ in range(60):
        tab.keyboard.press("Tab")
        if tab.evaluate("selector => document.activeElement.matches(selector)", selector):
            style = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", f"the focus on {selector} is not visible"
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def _check(tab: Page) -> None:
    # Playwright runs axe beside the page, as developer tools do: the page itself forbids scripts from elsewhere.
    found = Axe().run(tab)
    assert found.violations_count == 0, f"{tab.url}\n{found.generate_report()}"
