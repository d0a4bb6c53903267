"""A site with its console, over plain HTTP and over mutual TLS, and browsers that look at it."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from bringup import tls
from bringup.connections.api_client import ApiClient
from tests import preloaded
from tests.conftest import free_port
from tests.integration.api.conftest import INVENTORY
from tests.integration.selftest.site import Site

# Seconds for what takes one or two on a machine that does nothing else.
DEADLINE_S = 90


class Browser(requests.Session):
    """One browser. ``certificate``: its files, certificate and key."""

    def __init__(self, base: str, ca: Path, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self.base = base
        self.verify = str(ca)
        self.trust_env = False
        self.cert = (str(certificate[0]), str(certificate[1])) if certificate else None

    def page(self, path: str) -> requests.Response:
        return self.get(self.base + path, allow_redirects=False, timeout=DEADLINE_S)

    def form(self, path: str, **fields: str | list[str]) -> requests.Response:
        headers = {"Origin": self.base, "Sec-Fetch-Site": "same-origin"}
        return self.post(self.base + path, data=fields, headers=headers, allow_redirects=False, timeout=DEADLINE_S)

    def sign_in(self, token: str = "") -> "Browser":
        answer = self.form("/sign-in", token=token)
        assert answer.status_code == 303, answer.text
        return self

    def await_page(self, path: str, fits: Callable[[requests.Response], bool]) -> requests.Response:
        """The page, as soon as it fits."""
        deadline = time.monotonic() + DEADLINE_S
        while not fits(answer := self.page(path)):
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)
        return answer


@dataclass
class ConsoleSite:
    """The stack, its people by name with their tokens, and where the console is."""

    site: Site
    tokens: dict[str, str]
    base: str = ""
    log: Path = Path()  # of the console that was started last

    @property
    def uses_tls(self) -> bool:
        return self.site.settings.api_use_tls

    def certificate(self, role: str, name: str) -> tuple[Path, Path]:
        folder = self.site.store.root / ("workers" if role == "worker" else f"issued/{role}")
        return folder / f"{name}-cert.pem", folder / f"{name}-key.pem"

    def browser(self, role: str = "", name: str = "") -> Browser:
        return Browser(self.base, self.site.store.ca_certificate, self.certificate(role, name) if role else None)

    def api(
        self, person: str, *, certificate: tuple[str, str] = ("console", "console"), console: str = ""
    ) -> ApiClient:
        """The API as the console calls it for a person.

        Args:
            certificate: role and name of the one that is shown.
            console: the token of a console; default is that of the real one.
        """
        cert, key = self.certificate(*certificate)
        settings = self.site.settings.model_copy(update={"api_client_cert": cert, "api_client_key": key})
        token, console = self.tokens[person], console or self.tokens["console"]
        return ApiClient(settings, tls.ClientContexts(), token=token, console=console)

    def add(self, name: str, role: str) -> str:
        """The token of a new operator, viewer or console."""
        found = re.search(r"TOKEN=(\S+)", self.site.stack.command("operator", "add", name, "--role", role).stdout)
        assert found
        self.tokens[name] = found[1]
        return found[1]

    @contextmanager
    def console(self, **variables: str) -> Iterator[str]:
        """``bringup console`` with other settings; yields its address."""
        cert, key = self.certificate("console", "console")
        environ = self.site.stack.environment("") | {
            "CONSOLE_PORT": str(port := free_port()),
            "CONSOLE_TOKEN": self.tokens["console"],
            **({"API_CLIENT_CERT": str(cert), "API_CLIENT_KEY": str(key)} if self.uses_tls else {}),
            **variables,
        }
        log = self.log = self.site.folder / f"console-{port}.log"
        with log.open("ab") as output:
            process = preloaded.start(["console"], cwd=self.site.folder, env=environ, log=output.fileno())
        base = f"{'https' if self.uses_tls else 'http'}://127.0.0.1:{port}"
        try:
            _await(Browser(base, self.site.store.ca_certificate), log)
            yield base
        finally:
            process.terminate()
            assert process.wait(180) == 0


def _await(browser: Browser, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            assert browser.page("/health").status_code == 200
        except requests.ConnectionError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleSite]:
    """Alice may change, vera may read, and the console of the site runs."""
    folder = tmp_path_factory.mktemp("console")
    (folder / "devices.toml").write_text(INVENTORY)
    site = Site(folder, use_tls=request.param)
    with site.stack:
        made = ConsoleSite(site, {})
        for name, role in (("alice", "operator"), ("vera", "viewer"), ("console", "console")):
            made.add(name, role)
        if request.param:
            issue = ("pki", "issue")
            site.stack.command(*issue, "operator", "--name", "alice")
            site.stack.command(*issue, "operator", "--name", "zoe")
            site.stack.command(*issue, "console", "--name", "console")
            site.stack.command(*issue, "web", "--name", "console", "--san", "127.0.0.1")
        with made.console() as made.base:
            yield made
