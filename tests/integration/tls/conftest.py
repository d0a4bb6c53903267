"""The API by HTTPS: one that every client needs a certificate for, and one that machines may use without."""

import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.conftest import EPOCH, INVENTORY, RUN_A
from tests.integration.selftest.site import Site

PREFIX = "/api/v1"

# Machines with a BMC of their own: those of the other inventory are simulated, and boot no image of ours.
REAL_MACHINE = """
[[device]]
name = "real-{number}"
bmc_mac = "02:00:00:00:07:{number:02}"
bmc = "https://192.0.2.{number}"
credential = "rack"
"""
REAL_MACHINES = range(1, 7)
# Of a kind: its name, and the fifth byte of its MACs.
SIMULATED_MACHINE = """
[[device]]
name = "{kind}-{number}"
bmc_mac = "02:00:00:00:{byte}:{number:02}"
bmc = "simulated://127.0.0.1:9/{kind}-{number}"
"""
SIMULATED_MACHINES = range(1, 3)
# Their runs get calls of every kind: no other test may find its own run there already.
PROBED_MACHINES = range(1, 3)
# Of these two one beats, and the other has no run but a certificate for one: both for test_machine.py alone.
BEATING_MACHINE = """
[[device]]
name = "beating-{number}"
bmc_mac = "02:00:00:00:0a:{number:02}"
bmc = "simulated://127.0.0.1:9/beating-{number}"
"""
BEATING_MACHINES = range(1, 3)
BEATING_RUNS = tuple(f"02-00-00-00-0a-{number:02}-{EPOCH}" for number in BEATING_MACHINES)


@dataclass(frozen=True)
class Caller:
    """A client with a certificate, or without."""

    ca: Path
    port: int
    token: str
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert:
            context.load_cert_chain(self.cert, self.key)
        return context

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, dict[str, Any]]:
        """Status and body. Raises OSError when TLS refuses us."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.context())
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, PREFIX + path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def mint(self, run_id: str) -> str:
        """The token in the image of a run whose BMC is at 127.0.0.1, as this client is."""
        url = self.call("POST", f"/runs/{run_id}/media", {"owner": "w"})[1]["image_url"]
        return str(self.call("GET", url.partition(PREFIX)[2])[1]["token"])


@dataclass(frozen=True)
class Served:
    """One API, and callers of every role."""

    site: Site
    port: int

    def by(self, role: str | None, name: str = "some") -> Caller:
        """A caller with a certificate of this role and name; None: without any."""
        settings, root = self.site.settings, self.site.store.root
        token = settings.api_token.get_secret_value() if settings.api_token else ""
        if role is None:
            return Caller(self.site.store.ca_certificate, self.port, token)
        path = {"worker": "workers/worker", "api": "api/api"}.get(role, f"issued/{role}/{name}")
        cert, key = root / f"{path}-cert.pem", root / f"{path}-key.pem"
        return Caller(self.site.store.ca_certificate, self.port, token, cert, key)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    real = "".join(REAL_MACHINE.format(number=number) for number in REAL_MACHINES)
    simulated = "".join(
        SIMULATED_MACHINE.format(kind="simulated", byte="08", number=number) for number in SIMULATED_MACHINES
    )
    probed = "".join(SIMULATED_MACHINE.format(kind="probed", byte="09", number=number) for number in PROBED_MACHINES)
    beating = "".join(BEATING_MACHINE.format(number=number) for number in BEATING_MACHINES)
    # Before the first API: every API must have the same.
    (folder / "devices.toml").write_text(INVENTORY + real + simulated + probed + beating)
    made = Site(folder, use_tls=True)
    with made.stack:
        for role, name in (("operator", "some"), ("run", "some"), *(("run", run) for run in (RUN_A, *BEATING_RUNS))):
            made.stack.command("pki", "issue", role, "--name", name)
        yield made


@pytest.fixture
def strict(site: Site) -> Served:
    """API_REQUIRE_CLIENT_CERT=true."""
    return Served(site, site.settings.callback_api_port)


@pytest.fixture(scope="package")
def lenient(site: Site) -> Iterator[Served]:
    """API_REQUIRE_CLIENT_CERT=false: machines may come without."""
    with site.api(API_REQUIRE_CLIENT_CERT="false") as changes:
        yield Served(site, int(str(changes["callback_api_port"])))
