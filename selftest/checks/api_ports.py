"""Tests 7.images and 7.api.plain-port: whether another port gives what the API's own refuses."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bringup import openssl_errors
from pki.check import Finding, fail, info, ok, skip
from selftest import case, controls, diagnosis, probe, redis_host
from selftest.checks.callback_api import image_port, images_host
from selftest.listening import Listening, listening_sockets, works_with
from selftest.target_installation import TargetInstallation, TlsServer

_GROUP = "7 Refusals"
# How long one port is waited for; they are asked at the same time.
_WAIT_S = 0.5
_AT_ONCE = 16


def images(target: TargetInstallation) -> TlsServer:
    """The port of the images, as a client without certificate sees it."""
    return replace(
        target.api,
        name="the images",
        address=(images_host(target), target.settings.image_port),
        identity=probe.TlsCredentials(target.api.identity.ca),
        shown_by=("3d",),
        hint="start `bringup images` with these settings, and let nothing else listen on IMAGE_PORT",
    )


def _images_alone(target: TargetInstallation) -> Finding:
    """Nobody is asked for a certificate there: no call of the API may be served."""
    if not target.settings.image_port:
        return _NO_PORT
    server = images(target)
    request = target.api.request.replace(b"/health", b"/ready")
    try:
        answer = _ask(server, request)
    except OSError as error:
        return skip(f"inconclusive: {openssl_errors.unusable(error)}", hint="bringup pki verify")
    if not answer.text.startswith("HTTP/"):
        return skip(f"inconclusive: {answer.first_line}", hint="see 3d")
    if answer.text.startswith("HTTP/1.1 404"):
        return ok("it serves images, and no call of the API")
    return fail(
        f"{server.endpoint} serves the whole API: /api/v1/ready gives {answer.first_line}",
        expected="404, because images alone are served there",
        cause="`bringup api` listens on IMAGE_PORT, or something passes it on to the API",
        hint=server.hint,
    )


def _ask(server: TlsServer, request: bytes) -> probe.Answer:
    if not server.use_tls:
        return server.endpoint.plain(request)
    return server.endpoint.secured(probe.verifying_context(server.identity), request, listen_s=0)


def _images_by_old_tls(target: TargetInstallation) -> Finding:
    """BMCs that speak no more than TLS 1.1 are refused there, too."""
    if not target.settings.image_port:
        return _NO_PORT
    server = images(target)
    if not server.use_tls:
        return controls.NOT_ASKED
    try:
        context = probe.old_tls_context(server.identity)
    except OSError as error:
        return skip(f"inconclusive: {openssl_errors.unusable(error)}", hint="bringup pki verify")
    return controls.between_controls(server, lambda: server.secured(context))


_NO_PORT = info("there is no port for images (IMAGE_PORT=0)")


def _no_other_api(target: TargetInstallation) -> Finding:
    """Beside the API with TLS no other one serves the same Redis in plain text."""
    if not target.api.use_tls:
        return controls.NOT_ASKED
    host = target.api.address[0]
    if not redis_host.is_this_host(host):
        return skip(f"the API is on another host, {host}", hint="run `bringup selftest` on the host of the API")
    listening = listening_sockets()
    if listening is None:
        return skip("this system does not show which ports are open", hint="on Linux it is seen in /proc")
    sockets = [one for one in listening if one.port != target.api.address[1]]  # of which 3b shows what it speaks
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        plain = [one for one, is_api in zip(sockets, pool.map(_is_plain_api, sockets), strict=True) if is_api]
    ours = [one for one in plain if works_with(one.pids, target.redis.address)]
    if ours:
        return fail(
            f"another API of ours answers in plain text on port {', '.join(str(one.port) for one in ours)}",
            expected="no API without TLS",
            cause="a `bringup api` was started with API_USE_TLS=false; who reaches it needs no certificate",
            hint=f"kill {' '.join(str(one.pids[0]) for one in ours)}",
        )
    others = f" ({len(plain)} of other installations do)" if plain else ""
    return ok(f"no other API of this installation answers in plain text on this host{others}")


def _is_plain_api(one: Listening) -> bool:
    """The second call makes it connect to its Redis, which shows then whose it is."""
    endpoint = probe.Endpoint("the API", one.host, one.port, _WAIT_S)
    if diagnosis.API_SERVICE not in endpoint.plain(_request("health")).text:
        return False
    endpoint.plain(_request("ready"))
    return True


def _request(name: str) -> bytes:
    return f"GET /api/v1/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


# 7.images proves that the port without client certificates gives images alone; 7.api.plain-port that nobody gets round
# TLS and certificates by another API on the same host.
CHECKS = (
    case.Case(
        "7.images.whole-api",
        "The images' port serves no call of the API",
        _images_alone,
        group=_GROUP,
        required_by=image_port,
        needs=("3d",),
        roles=case.IMAGES,
    ),
    case.Case(
        "7.images.old-tls",
        "The images' port refuses TLS 1.1",
        _images_by_old_tls,
        group=_GROUP,
        required_by=image_port,
        needs=("3d",),
        roles=case.IMAGES,
    ),
    case.Case(
        "7.api.plain-port", "No other API answers in plain text", _no_other_api, group=_GROUP, roles=case.API_HOST
    ),
)
