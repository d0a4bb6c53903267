"""The OpenAPI document is true by HTTPS, too: for an operator, a worker, a machine, and one without a certificate."""

import requests

from tests.integration.api.conftest import EPOCH, LEASE
from tests.integration.api.contract import operations_of, probe, schema_of
from tests.integration.tls.conftest import PROBED_MACHINES, Caller, Served


def certificate_of(caller: Caller) -> tuple[str, str] | None:
    return (str(caller.cert), str(caller.key)) if caller.cert and caller.key else None


def test_whatever_is_sent_by_https_the_api_answers_as_its_document_says(lenient: Served) -> None:
    worker = lenient.by("worker")
    runs = [f"02-00-00-00-09-{number:02}-{EPOCH}" for number in PROBED_MACHINES]
    for number, run_id in zip(PROBED_MACHINES, runs, strict=True):
        assert worker.call("PUT", f"/runs/{run_id}", LEASE | {"mac": f"02:00:00:00:09:{number:02}"})[0] == 201
    status, document = worker.call("GET", "/openapi.json")
    assert status == 200
    address = {"base_url": f"https://127.0.0.1:{lenient.port}", "verify": str(worker.ca)}
    clients = [lenient.by(role) for role in ("operator", "worker", "run", None)]
    # Each keeps its connections, as a real client does.
    callers = [{**address, "session": requests.Session(), "cert": certificate_of(client)} for client in clients]
    operations = operations_of(schema_of(document))
    assert len(operations) > 30
    probe(operations, callers, worker.token, runs, examples=120)
