"""Images by HTTPS: to BMCs, which have no certificate, also where everybody else needs one."""

import http.client
import json
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from bringup.wire.run import RunDecision
from bringup.wire.run_events import EventType, MediaRequest, RunEvent, RunEventReply, RunMedia
from tests import preloaded
from tests.conftest import free_port
from tests.integration.selftest.site import Site
from tests.integration.server.test_images import DEVICE, LEASE, RUN
from tests.integration.workers.site import eventually

CONTENT = bytes(range(255)) * 500 + AREA_HEAD.ljust(AREA_SIZE) + bytes(range(255)) * 5000
AREA_AT = CONTENT.index(AREA_HEAD)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("images")
    (folder / "devices.toml").write_text(DEVICE)  # before the first API: every API must have the same
    made = Site(folder, use_tls=True)
    (made.folder / "base.iso").write_bytes(CONTENT)
    with made.stack:
        yield made


def media(site: Site, port: int) -> RunMedia:
    settings = site.settings.model_copy(update={"callback_api_port": port})
    client = ApiClient(settings, tls.ClientContexts())
    client.put(f"/runs/{RUN}", LEASE, RunDecision)
    client.post(f"/runs/{RUN}/events", RunEvent(type=EventType.BOOT_STARTED, owner="w"), RunEventReply)
    return client.post(f"/runs/{RUN}/media", MediaRequest(owner="w"), RunMedia)


def fetch(site: Site, url: str, *, token: str = "") -> tuple[int, bytes]:
    """As a BMC that checks whom it asks, and has no certificate."""
    context = ssl.create_default_context(cafile=site.store.ca_certificate)
    target = urlsplit(url)
    connection = http.client.HTTPSConnection("127.0.0.1", target.port, timeout=60, context=context)
    try:
        connection.request("GET", target.path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def images(site: Site, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`bringup images`, once it listens or has ended."""
    environ, log = site.stack.environment("api") | variables, log_of(site, "images")
    process = start(site, "images", environ)
    try:
        eventually(lambda: b"Listening at" in log.read_bytes() or process.poll() is not None, 60, "it listens")
        yield process
    finally:
        preloaded.kill_group(process)


def start(site: Site, service: str, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    """A service whose output is in the file of its name, in a session of its own."""
    with log_of(site, service).open("wb") as log:
        return preloaded.start([service], cwd=site.folder, env=environ, log=log.fileno(), start_new_session=True)


def log_of(site: Site, service: str) -> Path:
    return site.folder / f"own-{service}.log"


def check_image(body: bytes, given: RunMedia, ca: Path) -> None:
    told = json.loads(body[AREA_AT : AREA_AT + AREA_SIZE])
    assert (told["run_id"], told["ca_pem"]) == (given.run_id, ca.read_text())
    assert len(told["token"]) == 43
    assert body[:AREA_AT] + CONTENT[AREA_AT : AREA_AT + AREA_SIZE] + body[AREA_AT + AREA_SIZE :] == CONTENT


def test_the_api_serves_images_without_a_certificate_where_machines_need_none(site: Site) -> None:
    with site.api(API_REQUIRE_CLIENT_CERT="false", VALIDATION_IMAGE=str(site.folder / "base.iso")) as changes:
        port = int(str(changes["callback_api_port"]))
        given = media(site, port)
        assert (given.image_url or "").startswith(f"https://127.0.0.1:{port}/api/v1/images/")
        status, body = fetch(site, given.image_url or "")
    assert status == 200
    check_image(body, given, site.store.ca_certificate)


@pytest.fixture(scope="module")
def image(site: Site) -> Iterator[SplitResult]:
    """The URL of an image that the API serves without a certificate."""
    with site.api(API_REQUIRE_CLIENT_CERT="false", VALIDATION_IMAGE=str(site.folder / "base.iso")) as changes:
        yield urlsplit(media(site, int(str(changes["callback_api_port"]))).image_url or "")


def test_a_response_without_a_body_ends_where_the_next_begins(site: Site, image: SplitResult) -> None:
    """The header is held back for a body; where none follows it must be sent, and on the same connection."""
    context = ssl.create_default_context(cafile=site.store.ca_certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", image.port, timeout=60, context=context)

    def ask(method: str, path: str, **headers: str) -> http.client.HTTPResponse:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer

    etag = str(ask("HEAD", image.path).headers["ETag"])
    first = connection.sock
    answers = [
        ask("GET", image.path, **{"If-None-Match": etag}),
        ask("HEAD", "/api/v1/health"),
        ask("GET", "/api/v1/nowhere"),
        ask("HEAD", "/api/v1/nowhere"),
        ask("GET", "/api/v1/health"),
    ]
    assert [answer.status for answer in answers] == [304, 200, 404, 404, 200]
    assert connection.sock is first
    assert ask("HEAD", "/api/v1/health", Connection="close").status == 200


def test_who_leaves_in_the_middle_of_a_response_stops_no_other(site: Site, image: SplitResult) -> None:
    context = ssl.create_default_context(cafile=site.store.ca_certificate)
    for method in ("GET", "HEAD") * 4:
        plain = socket.create_connection(("127.0.0.1", image.port), 60)
        # Closed with a reset, not with an end.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(f"{method} {image.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert fetch(site, image.geturl())[0] == 200
    assert "Traceback" not in (site.folder / "second-api.log").read_text()


def test_where_everybody_needs_a_certificate_images_have_a_port_without(site: Site) -> None:
    variables = {"VALIDATION_IMAGE": str(site.folder / "base.iso"), "IMAGE_PORT": str(free_port())}
    # What makes certificates for machines is tested by itself; here the image is looked at.
    variables["RUN_CERTIFICATE_COMMAND"] = run_certificate_command()
    with site.api(API_REQUIRE_CLIENT_CERT="true", **variables) as changes, images(site, **variables):
        port = int(str(changes["callback_api_port"]))
        given = media(site, port)
        assert urlsplit(given.image_url or "").port == int(variables["IMAGE_PORT"])
        status, body = fetch(site, given.image_url or "")
        assert status == 200
        check_image(body, given, site.store.ca_certificate)
        check_that_nothing_else_is_open(site, given, port)


def check_that_nothing_else_is_open(site: Site, given: RunMedia, api_port: int) -> None:
    url = urlsplit(given.image_url or "")
    with pytest.raises(OSError, match=r"(?i)certificate required|reset|EOF"):
        fetch(site, url._replace(netloc=f"127.0.0.1:{api_port}").geturl())
    token = site.settings.api_token.get_secret_value() if site.settings.api_token else ""
    for path in ("runs", f"runs/{RUN}", "devices", "queues", "ready", "openapi.json"):
        assert fetch(site, url._replace(path=f"/api/v1/{path}").geturl(), token=token)[0] == 404
    assert fetch(site, url._replace(path="/api/v1/health").geturl())[0] == 200
    with socket.create_connection(("127.0.0.1", url.port or 0), timeout=60) as plain:
        plain.sendall(f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"200" not in plain.recv(4096)[:20]


def run_certificate_command() -> str:
    return f"{sys.executable} -m bringup pki issue run --name {{name}} --hours 2 --stdout"


@pytest.mark.parametrize(
    ("service", "variables", "message"),
    [
        ("api", {"VALIDATION_IMAGE": "base.iso"}, "IMAGE_PORT: must be set, for with API_REQUIRE_CLIENT_CERT=true"),
        ("images", {"VALIDATION_IMAGE": "base.iso"}, "IMAGE_PORT: must be set, for with API_REQUIRE_CLIENT_CERT=true"),
        (
            "images",
            {"IMAGE_PORT": "5001"},
            "VALIDATION_IMAGE: must be set to what scripts/iso/build makes, for `bringup images`",
        ),
    ],
)
def test_images_that_no_bmc_could_fetch_are_named_before_anything_listens(
    site: Site, service: str, variables: dict[str, str], message: str
) -> None:
    environ = site.stack.environment("api") | {"CALLBACK_API_PORT": str(free_port())} | variables
    process = start(site, service, environ)
    try:
        assert process.wait(180) == 2
    finally:
        preloaded.kill_group(process)
    log = log_of(site, service).read_text()
    assert message in log
    assert "Traceback" not in log


def test_a_renewed_certificate_is_shown_to_bmcs_without_a_restart(site: Site) -> None:
    variables = {"VALIDATION_IMAGE": str(site.folder / "base.iso"), "IMAGE_PORT": str(free_port())}
    variables["RUN_CERTIFICATE_COMMAND"] = run_certificate_command()
    with images(site, **variables):
        before = shown(site, variables["IMAGE_PORT"])
        site.stack.command("pki", "renew", "--force", "api")
        assert shown(site, variables["IMAGE_PORT"]) != before


def shown(site: Site, port: str) -> bytes:
    context = ssl.create_default_context(cafile=site.store.ca_certificate)
    with (
        socket.create_connection(("127.0.0.1", int(port)), timeout=60) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""
