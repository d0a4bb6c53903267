"""The demonstration with its page, and Chromium, which trusts the demonstration's CA and no other."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from bringup_cli.demo import console as page
from bringup_cli.demo import play, scenario
from bringup_cli.demo.stack import Stack

# Seconds for what a person sees within three: a browser with its processes needs much of a small computer.
WAIT_S = 60
# The colours that a person's system asks for, and the width of a small phone.
SCHEMES = ("light", "dark")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@dataclass
class Lab:
    """One demonstration.

    Args:
        sign_in: where the page is, and the token of an operator.
        home: of the browser: its certificate store is there.
    """

    stack: Stack
    sign_in: page.SignIn
    playwright: Playwright
    browser: Browser
    home: Path

    @property
    def uses_tls(self) -> bool:
        return self.stack.settings.api_use_tls

    def context(self, **options: Any) -> BrowserContext:
        """A browser without any cookie. ``options``: of Playwright."""
        context = self.browser.new_context(**({"viewport": DESK, "base_url": self.sign_in.address} | options))
        context.set_default_timeout(WAIT_S * 1000)
        return context

    def signed_in(self, **options: Any) -> Page:
        """The page of the machines, in a browser of its own, where an operator has signed in."""
        tab = self.context(**options).new_page()
        tab.goto("/")
        tab.get_by_label("Token").fill(self.sign_in.token)
        tab.get_by_role("button", name="Sign in").click()
        expect(tab.get_by_role("heading", name="Machines", level=1)).to_be_visible()
        return tab

    def feed(self) -> Thread:
        """Let all machines ask for an address; the thread ends when the last run has ended."""
        thread = Thread(target=play.play, args=(self.stack, lambda _runs: None, lambda _line: None))
        thread.start()
        return thread


@contextmanager
def running(folder: Path, *, use_tls: bool) -> Iterator[Lab]:
    """The demonstration without any lease yet; all of it ends with the block."""
    expect.set_options(timeout=WAIT_S * 1000)
    with play.running(folder, print, use_tls=use_tls) as stack:
        sign_in = page.start(stack)
        home = folder / "home"
        _trust(home, sign_in.ca)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ["BRINGUP_CHROMIUM"],
                # Its sandbox needs user namespaces, and does not start as root; it looks at our own pages alone.
                args=["--no-sandbox"],
                env={**os.environ, "HOME": str(home)},
            )
            yield Lab(stack, sign_in, playwright, browser, home)
            browser.close()


def row(tab: Page, name: str) -> Any:
    """The line of one machine."""
    return tab.locator("li.machine").filter(has=tab.get_by_role("link", name=name, exact=True))


def machines() -> tuple[scenario.DemoMachine, ...]:
    """Those of the demonstration, with their expected ends."""
    return scenario.MACHINES


def _trust(home: Path, ca: Path | None) -> None:
    """Chromium on Linux reads the CAs that a person trusts from the NSS store in their home."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    subprocess.run(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"], check=True)
    if ca:
        trusted = ["-A", "-n", "bringup", "-t", "C,,", "-i", str(ca)]
        subprocess.run(["certutil", "-d", f"sql:{store}", *trusted], check=True)
