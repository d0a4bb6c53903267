"""A machine that must present a certificate is given one for its run, by a command that the API runs."""

import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.images.image_store import decrypt, locator
from bringup import keys
from bringup.wire.machine import AREA_HEAD, AREA_SIZE, RunParameters
from tests.conftest import free_port
from tests.integration.api.conftest import LEASE, RUN_A
from tests.integration.selftest.site import Site
from tests.integration.tls.conftest import Caller, Served
from tests.integration.workers.site import eventually

ISSUE = f"{sys.executable} -m bringup pki issue run --name {{name}} --hours 1 --stdout"


def run_of(number: int) -> str:
    return RUN_A.replace("00-00-00-01", f"00-00-07-{number:02}")


@contextmanager
def serving(site: Site, command: str, **more: str) -> Iterator[Served]:
    """An API with an image, which asks machines for certificates."""
    image = site.folder / "validation.iso"
    image.write_bytes(bytes(32_768) + AREA_HEAD.ljust(AREA_SIZE))
    variables = {"VALIDATION_IMAGE": str(image), "IMAGE_PORT": str(free_port()), **more}
    with site.api(**variables, RUN_CERTIFICATE_COMMAND=command) as changes:
        yield Served(site, int(str(changes["callback_api_port"])))


def minted(served: Served, run_id: str) -> tuple[int, dict[str, str]]:
    """What a worker is answered that asks for the run's image."""
    worker = served.by("worker")
    mac = run_id.rpartition("-")[0].replace("-", ":")
    assert worker.call("PUT", f"/runs/{run_id}", LEASE | {"mac": mac})[0] == 201
    assert worker.call("POST", f"/runs/{run_id}/events", {"type": "boot_started", "owner": "w"})[0] == 202
    return worker.call("POST", f"/runs/{run_id}/media", {"owner": "w"})


def parameters_in(site: Site, image_url: str) -> RunParameters:
    secret = image_url.partition("/images/")[2].partition("/")[0]
    sealed = site.keeper.hget(keys.image(locator(secret)), "sealed")
    assert isinstance(sealed, bytes)
    return RunParameters.model_validate_json(decrypt(secret, sealed))


def test_a_machine_calls_back_with_the_certificate_in_its_image(site: Site, tmp_path: Path) -> None:
    run_id = run_of(1)
    with serving(site, ISSUE) as served:
        status, media = minted(served, run_id)
        assert status == 201, media
        found = parameters_in(site, media["image_url"])
        machine = _machine(served, tmp_path, found)
        beat = {"boot_id": "b", "uptime_s": 1}
        assert machine.call("POST", f"/runs/{run_id}/heartbeat", beat)[0] == 202
        with pytest.raises((ssl.SSLError, ConnectionError)):
            served.by(None).call("POST", f"/runs/{run_id}/heartbeat", beat, found.token)
    assert not list((site.store.root / "issued" / "run").glob(f"{run_id}*")), "its key was left at the CA"


def _machine(served: Served, folder: Path, found: RunParameters) -> Caller:
    assert found.client_cert_pem
    assert found.client_key_pem
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_text(found.client_cert_pem)
    key.write_text(found.client_key_pem)
    return Caller(served.site.store.ca_certificate, served.port, found.token, cert, key)


def test_without_a_certificate_no_image_is_issued_and_the_worker_may_try_again(site: Site) -> None:
    with serving(site, "sh -c 'echo the CA is away >&2; exit 4' {name}") as served:
        status, problem = minted(served, run_of(2))
        assert (status, problem["type"]) == (503, "urn:bringup:unavailable")
        assert "away" not in problem["detail"], "the output of the command is for the log"
        timeline = served.by("worker").call("GET", f"/runs/{run_of(2)}")[1]["timeline"]
        assert timeline[-1]["type"] == "no_certificate", "the timeline names what the run waits for"
    log = (site.folder / "second-api.log").read_text()
    assert "RUN_CERTIFICATE_COMMAND made no certificate" in log
    assert "it ended with status 4: the CA is away" in log
    assert site.keeper.get(keys.run_token(run_of(2))) is None
    assert site.keeper.hget(keys.run(run_of(2)), "token_sha256") == b'""'


def test_a_command_that_hangs_leaves_room_for_every_other_request(site: Site, tmp_path: Path) -> None:
    began, may_end = tmp_path / "began", tmp_path / "may-end"
    hanging = f"sh -c 'touch {began}; until [ -e {may_end} ]; do sleep 0.05; done; exit 4' {{name}}"
    with serving(site, hanging, API_THREADS="2") as served, ThreadPoolExecutor(1) as first:
        waiting = first.submit(minted, served, run_of(3))
        try:
            eventually(began.exists, 60, "the command runs")
            status, problem = minted(served, run_of(4))
            assert (status, problem["type"]) == (503, "urn:bringup:unavailable")
            assert "RUN_CERTIFICATE_COMMAND" in problem["detail"]
            assert not waiting.done()
        finally:
            may_end.touch()
        assert waiting.result()[0] == 503
        status, problem = served.by("worker").call("POST", f"/runs/{run_of(4)}/media", {"owner": "w"})
        assert (status, "see the log of the API" in problem["detail"]) == (503, True), "now it has its turn"
