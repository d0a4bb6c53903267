"""A certificate's role decides what its holder may do; a token alone gives no role."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from bringup.operators import Operator, OperatorRole, Operators, token_hash
from pki.authority import key_pem, pem
from pki.names import Identity, Role
from tests.integration.api.conftest import LEASE, RUN_A, RUN_B
from tests.integration.tls.conftest import Served
from tests.unit.pki import kit

OPERATORS_CALLS = (
    ("POST", f"/runs/{RUN_B}/abort", {"reason": "x"}),
    ("PATCH", "/devices/b", {"maintenance": "x"}),
    ("POST", "/devices/b/runs", {"reason": "x"}),
)
WORKERS_CALLS = (
    ("PUT", f"/runs/{RUN_B}", LEASE | {"mac": "02:00:00:00:00:02"}),
    ("POST", f"/runs/{RUN_B}/events", {"type": "boot_started", "owner": "w"}),
    ("POST", f"/runs/{RUN_B}/media", {"owner": "w"}),
)
STAFFS_CALLS = (("GET", "/runs", None), ("GET", "/devices", None), ("GET", "/queues", None))


@pytest.mark.parametrize(("method", "path", "body"), OPERATORS_CALLS)
def test_a_workers_certificate_does_not_act_as_an_operator(strict: Served, method: str, path: str, body: Any) -> None:
    status, problem = strict.by("worker").call(method, path, body)
    assert status == 403
    assert "role worker may not do this; it takes one of role operator" in problem["detail"]


@pytest.mark.parametrize(("method", "path", "body"), WORKERS_CALLS)
def test_an_operators_certificate_does_not_act_as_a_worker(strict: Served, method: str, path: str, body: Any) -> None:
    status, problem = strict.by("operator").call(method, path, body)
    assert status == 403
    assert "role operator" in problem["detail"]


@pytest.mark.parametrize(("method", "path", "body"), [*STAFFS_CALLS, *OPERATORS_CALLS, *WORKERS_CALLS])
def test_a_machines_certificate_is_not_staff_even_with_the_token_of_staff(
    strict: Served, method: str, path: str, body: Any
) -> None:
    assert strict.by("run").call(method, path, body)[0] == 403


@pytest.mark.parametrize(("method", "path", "body"), [*STAFFS_CALLS, *OPERATORS_CALLS, *WORKERS_CALLS])
def test_without_a_certificate_the_token_of_staff_permits_nothing(
    lenient: Served, method: str, path: str, body: Any
) -> None:
    status, problem = lenient.by(None).call(method, path, body)
    assert status == 401
    assert "API_CLIENT_CERT" in problem["detail"]


@pytest.mark.parametrize("role", ["worker", "operator"])
@pytest.mark.parametrize(("method", "path", "body"), STAFFS_CALLS)
def test_staff_gets_what_is_for_all_staff(strict: Served, role: str, method: str, path: str, body: Any) -> None:
    assert strict.by(role).call(method, path, body)[0] == 200


@pytest.mark.parametrize("role", ["worker", "operator"])
def test_a_certificate_without_the_token_permits_nothing(strict: Served, role: str) -> None:
    assert strict.by(role).call("GET", "/runs", token="another-token")[0] == 401


def test_a_servers_certificate_is_refused_by_tls(strict: Served) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        strict.by("api").call("GET", "/health")


def test_a_machine_without_a_certificate_uses_its_run_token_only_where_that_is_allowed(
    strict: Served, lenient: Served
) -> None:
    token = _booted(strict)
    beat = {"boot_id": "b", "uptime_s": 1, "stage": "test"}
    path = f"/runs/{RUN_A}/heartbeat"
    assert lenient.by(None).call("POST", path, beat, token)[0] == 202
    assert lenient.by(None).call("POST", path, beat, "another-token")[0] == 401
    assert strict.by("run", RUN_A).call("POST", path, beat, token)[0] == 202
    with pytest.raises((ssl.SSLError, ConnectionError)):
        strict.by(None).call("POST", path, beat, token)


def _booted(served: Served) -> str:
    """A run whose machine is on; its token."""
    worker = served.by("worker")
    assert worker.call("PUT", f"/runs/{RUN_A}", LEASE)[0] == 201
    assert worker.call("POST", f"/runs/{RUN_A}/events", {"type": "boot_started", "owner": "w"})[0] == 202
    token = worker.mint(RUN_A)
    for kind in ("media_inserted", "power_requested", "powered_off", "powered_on"):
        assert worker.call("POST", f"/runs/{RUN_A}/events", {"type": kind, "owner": "w"})[0] == 202
    return token


@pytest.fixture
def alice(strict: Served) -> Iterator[str]:
    """The token of an operator who is named; nobody is named any more afterwards."""
    token = "alice-has-this-token-of-32-letters"
    path = strict.site.folder / strict.site.settings.operators_file
    added = Operator(name="alice", role=OperatorRole.OPERATOR, token_sha256=token_hash(token), added=datetime.now(UTC))
    Operators([added]).write(path)
    certificate = strict.by("operator", "alice").cert
    if certificate and not certificate.exists():
        strict.site.stack.command("pki", "issue", "operator", "--name", "alice")
    yield token
    path.unlink()


def test_an_operators_token_needs_the_certificate_of_the_same_name(strict: Served, alice: str) -> None:
    change = ("PATCH", "/devices/b", {"maintenance": "x"})
    assert strict.by("operator", "alice").call(*change, alice)[0] == 202
    for role in ("operator", "worker"):
        status, problem = strict.by(role).call(*change, alice)
        assert status == 403
        assert "bringup pki issue operator --name alice" in problem["detail"]


def test_a_person_without_their_token_is_asked_for_it_and_for_no_other_certificate(strict: Served, alice: str) -> None:
    assert alice
    for method, path, body in STAFFS_CALLS:
        status, problem = strict.by("operator", "alice").call(method, path, body)
        assert status == 403
        assert "OPERATOR_TOKEN" in problem["detail"]
        assert "API_CLIENT_CERT" not in problem["detail"]


@pytest.fixture
def connector(strict: Served) -> Iterator[str]:
    """The token of a connector, with a certificate; it is not named any more afterwards."""
    token = "cmdb-has-this-token-of-32-letters"
    path = strict.site.folder / strict.site.settings.operators_file
    added = Operator(name="cmdb", role=OperatorRole.CONNECTOR, token_sha256=token_hash(token), added=datetime.now(UTC))
    Operators([added]).write(path)
    certificate = strict.by("connector", "cmdb").cert
    if certificate and not certificate.exists():
        strict.site.stack.command("pki", "issue", "connector", "--name", "cmdb")
    yield token
    path.unlink()


def test_a_connector_follows_the_feed_with_its_token_and_certificate_and_changes_nothing(
    strict: Served, connector: str
) -> None:
    cmdb = strict.by("connector", "cmdb")
    for path in ("/changes?since=0", "/changes/snapshot", "/runs"):
        assert cmdb.call("GET", path, token=connector)[0] == 200
    assert cmdb.call("PATCH", "/devices/b", {"maintenance": "x"}, connector)[0] == 403
    status, problem = strict.by("worker").call("GET", "/changes?since=0", token=connector)
    assert status == 403
    assert "bringup pki issue connector --name cmdb" in problem["detail"]


def test_a_connectors_certificate_is_no_service(strict: Served, connector: str) -> None:
    assert connector
    assert strict.by("connector", "cmdb").call("GET", "/runs")[0] == 403


def test_an_operators_certificate_without_their_token_changes_nothing_once_they_are_named(
    strict: Served, alice: str
) -> None:
    assert alice
    assert strict.by("operator", "alice").call("PATCH", "/devices/b", {"maintenance": "x"})[0] == 403


@pytest.mark.parametrize(
    ("forgery", "reason"),
    [
        ({"usages": []}, "no extended key usage"),
        ({"ca": True}, "CA:TRUE"),
        ({"usages": [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]}, "of several"),
    ],
)
def test_a_client_certificate_of_our_ca_that_our_pki_does_not_make_is_refused(
    strict: Served, tmp_path: Path, forgery: dict[str, Any], reason: str
) -> None:
    now = datetime.now(UTC)
    forged = kit.Forgery(
        identity=Identity(Role.WORKER, "worker"), start=now - timedelta(hours=1), end=now + timedelta(days=1), **forgery
    )
    (tmp_path / "cert.pem").write_bytes(pem(forged.sign(kit.authority_of(strict.site.store))))
    (tmp_path / "key.pem").write_bytes(key_pem(forged.key))
    caller = replace(strict.by("worker"), cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    status, problem = caller.call("GET", "/runs")
    assert status == 403
    assert reason in problem["detail"]
    assert "bringup pki verify" in problem["detail"]
