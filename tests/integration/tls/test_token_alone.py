"""API_TOKEN, which all services of a site have, opens nothing by itself: it takes a certificate that is not revoked."""

import http.client
import re
import shutil
from pathlib import Path

import pytest

from tests.integration.api.conftest import RUN_A
from tests.integration.tls.conftest import Caller, Served

PAGE = Path(__file__).parents[3] / "docs/api.md"  # test_contract.py: it lists every call
OPEN_TO_ALL = {"nothing", "the address", "proof of the run token"}


def guarded_calls() -> list[tuple[str, str]]:
    listed = re.findall(r"^\| `(\w+) (/\S+)` \| ([\w' ]+) \|", PAGE.read_text(), re.MULTILINE)
    return [(method, path) for method, path, presents in listed if presents not in OPEN_TO_ALL]


def status_of(caller: Caller, method: str, path: str) -> int:
    path = re.sub(r"<\w+>", "a", path.replace("<run_id>", RUN_A))
    path = path if path.startswith("/.well-known") else f"/api/v1{path}"
    connection = http.client.HTTPSConnection("127.0.0.1", caller.port, timeout=60, context=caller.context())
    try:
        connection.request(method, path, b"{}", {"Authorization": f"Bearer {caller.token}"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture(scope="module")
def thief(lenient: Served) -> Served:
    command = lenient.site.stack.command
    for role, name in (("worker", "stolen"), ("host", "stolen"), ("tailer", "stolen")):
        command("pki", "issue", role, "--name", name)
    return lenient


@pytest.mark.parametrize("certificate", [None, "run", "tailer", "host"])
def test_the_token_opens_no_call_without_the_certificate_of_a_service(thief: Served, certificate: str | None) -> None:
    caller = thief.by(certificate, "some" if certificate == "run" else "stolen")
    calls = guarded_calls()
    assert len(calls) > 20
    by_certificate = {"/.well-known/est/simplereenroll"}  # takes no token; test_est.py
    opened = {
        (method, path): status
        for method, path in calls
        if path not in by_certificate and (status := status_of(caller, method, path)) not in {401, 403}
    }
    assert opened == {}


def test_the_token_with_a_revoked_certificate_opens_nothing(thief: Served) -> None:
    worker = thief.by("worker")
    files = thief.site.store.root / "issued/worker"
    stolen = Caller(worker.ca, worker.port, worker.token, files / "stolen-cert.pem", files / "stolen-key.pem")
    kept = [Path(shutil.copy(path, path.with_suffix(".kept"))) for path in (stolen.cert, stolen.key) if path]
    held = Caller(worker.ca, worker.port, worker.token, *kept)
    assert status_of(held, "GET", "/runs") == 200
    thief.site.stack.command("pki", "revoke", "worker/stolen", "--reason", "key-compromise")
    for method, path in guarded_calls():
        with pytest.raises(OSError):  # noqa: PT011 - TLS ends in several ways, and each is right
            status_of(held, method, path)
