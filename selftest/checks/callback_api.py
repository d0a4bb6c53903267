"""Test 3: the callback API, as workers, operators and BMCs reach it, and the clocks of all sides."""

import re
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from bringup import errors, log, openssl_errors
from bringup.connections.redis_client import redis_errors
from bringup.settings.rules import image_exceptions
from bringup.wire.message import Health
from bringup.wire.run import RunList
from pki.check import Finding, Status, fail, info, ok, skip, warn
from selftest import case, diagnosis, probe, protocol_probe
from selftest.target_installation import TargetInstallation

_GROUP = "3 Callback API"
_SEE = "see 3a and 3b"
# How far clocks may differ. Hosts with NTP differ by milliseconds: at 5 s it does not run somewhere. From 300 s on new
# certificates are "not yet valid" elsewhere: the profile dates a leaf back by five minutes (`pki.profile`).
_SKEW_WARN_S, _SKEW_FAIL_S = 5.0, 300.0


def _http(target: TargetInstallation) -> Finding:
    if target.api.use_tls:
        return info("not used: API_USE_TLS=true (7 shows that plain text is refused)")
    return _call(target)


def _https(target: TargetInstallation) -> Finding:
    if not target.api.use_tls:
        return warn("no HTTPS (API_USE_TLS=false): expected in development only")
    return _call(target)


def _call(target: TargetInstallation) -> Finding:
    if found := diagnosis.api_unreachable(target):
        return found
    try:
        client = target.api_client()
        health = client.get("/health", Health)
    except errors.BringupError as error:
        return diagnosis.api_unhealthy(target, error)
    try:
        client.get("/runs?limit=1", RunList)
    except errors.BringupError as error:
        return diagnosis.api_refuses(error)
    how = "HTTPS with our client certificate" if target.api.use_tls else "HTTP"
    return ok(f"{health.service} {health.version} answers by {how} and takes our token")


def _clocks(target: TargetInstallation) -> Finding:
    """TLS and deadlines depend on clocks that agree."""
    skews = {"Redis": _redis_skew(target), "the API": _api_skew(target)}
    differences = ", ".join(f"{name} {skew:+.1f} s" for name, skew in skews.items() if skew is not None)
    worst = max((abs(skew) for skew in skews.values() if skew is not None), default=0)
    if worst > _SKEW_WARN_S:
        status = Status.FAIL if worst > _SKEW_FAIL_S else Status.WARN
        observed = f"clocks differ from this host's: {differences}"
        return Finding(status, observed, expected="a few seconds", hint="chronyc makestep")
    if unknown := [name for name, skew in skews.items() if skew is None]:
        return skip(f"no time from {' and '.join(unknown)}", hint="see 1a, 3a and 3b")
    return ok(f"against this host's clock: {differences}")


def _redis_skew(target: TargetInstallation) -> float | None:
    try:
        with redis_errors(target.settings):
            seconds, microseconds = target.redis_client().time()
    except errors.BringupError as error:
        log.get("selftest").debug("no time from Redis", reason=str(error))
        return None
    return seconds + microseconds / 1e6 - target.now().timestamp()


def _api_skew(target: TargetInstallation) -> float | None:
    date = re.search(r"^Date: ([^\r\n]{10,40})", diagnosis.api_health(target).text, re.MULTILINE | re.IGNORECASE)
    if not date:
        return None
    try:
        return parsedate_to_datetime(date[1]).timestamp() - target.now().timestamp()
    except ValueError:
        return None


def _images(target: TargetInstallation) -> Finding:
    """Their port, and who is given the parameters in them: those can report for a machine."""
    found, exceptions = _image_port_answers(target), list(image_exceptions(target.settings))
    if not exceptions or found.status not in {Status.OK, Status.INFO}:
        return found
    hint = "IMAGE_READERS= where no BMC is behind NAT and no machine boots by uefi-http"
    return warn(f"{found.message}; {'; '.join(exceptions)}", hint, cause="IMAGE_READERS is not empty")


def _image_port_answers(target: TargetInstallation) -> Finding:
    """BMCs come without a certificate; they are served as API_USE_TLS requires, and in no other way."""
    port = target.settings.image_port
    if not port:
        return info("there is no port for images (IMAGE_PORT=0): the API's own serves them, if any")
    endpoint = probe.Endpoint("the images", images_host(target), port, target.wait_s)
    hint = "start `bringup images` on the API's host, with the API's settings"
    if blocker := protocol_probe.detect(endpoint, target.api.request).blocker(tls=target.api.use_tls):
        return fail(f"{endpoint}: {blocker}", expected="`bringup images`, as API_USE_TLS requires", hint=hint)
    try:
        answer = _as_a_bmc(target, endpoint)
    except OSError as error:
        return skip(f"inconclusive: {openssl_errors.unusable(error)}", hint="bringup pki verify")
    if answer.accepted and diagnosis.API_SERVICE in answer.text:
        how = "HTTPS, without asking for a certificate" if target.api.use_tls else "HTTP"
        return ok(f"they are served by {how}")
    return fail(f"{endpoint}: {answer.first_line}", expected="a healthy answer without a certificate", hint=hint)


def images_host(target: TargetInstallation) -> str:
    """The host where BMCs fetch them: beside the API, unless this host serves them and nothing else."""
    if "images" not in target.settings.roles:
        return target.api.address[0]
    return urlsplit(target.settings.image_base).hostname or ""


def _as_a_bmc(target: TargetInstallation, endpoint: probe.Endpoint) -> probe.Answer:
    """The answer to a client that checks certificates and has none."""
    if not target.api.use_tls:
        return endpoint.plain(target.api.request)
    context = probe.verifying_context(probe.TlsCredentials(target.api.identity.ca))
    return endpoint.secured(context, target.api.request, listen_s=0)


def _no_loss(target: TargetInstallation) -> Finding:
    """The API compares what Redis holds with what its hosts remember, and reports it on /ready."""
    try:
        withheld = target.api_client().readiness().withheld
    except errors.BringupError as error:
        return skip(f"the API was not asked: {error}", hint=_SEE)
    if withheld:
        return fail(
            f"every machine is withheld: {withheld}",
            expected="Redis holds every change that an API host has seen",
            hint="bringup devices; if what it shows is right: bringup api --accept-redis",
        )
    return ok("Redis holds every change that the API has seen")


def _is_ready(target: TargetInstallation) -> Finding:
    """All else that keeps the API from its work: 3e shows whether Redis has lost changes."""
    try:
        readiness = target.api_client().readiness()
    except errors.BringupError as error:
        return skip(f"the API was not asked: {error}", hint=_SEE)
    problems = [one for one in readiness.problems if one != readiness.withheld]
    if problems:
        return fail(
            f"the API is not ready: {'; '.join(problems)}",
            expected="it is ready",
            cause="no machine is validated until then",
            hint="look at the log of `bringup api`; each of these is named there with its file",
        )
    return ok("it is ready" if readiness.ready else "only what 3e shows keeps it from its work")


def _other_addresses(target: TargetInstallation) -> Finding:
    """Whether each further address of CALLBACK_API_URL would do, should the first be lost."""
    others = target.settings.api_urls[1:]
    if not others:
        return info("CALLBACK_API_URL names one address")
    problems = [problem for url in others if (problem := _problem_at(target, url))]
    if problems:
        return fail(
            "; ".join(problems),
            expected="each address of CALLBACK_API_URL is an API of this installation, by its certificate, and ready",
            cause="without it nothing takes over when the host of the first address is lost",
            hint="bringup selftest on the host of that address, or take the address out of CALLBACK_API_URL",
        )
    return ok(f"{', '.join(others)}: each is ready, and accepts our token")


def _problem_at(target: TargetInstallation, url: str) -> str:
    client = target.api_client(url)
    try:
        readiness = client.readiness()
        client.get("/runs?limit=1", RunList)
    except errors.BringupError as error:
        return str(error)
    return "" if readiness.ready else f"the API at {url} is not ready: {'; '.join(readiness.problems)}"


def several_addresses(target: TargetInstallation) -> str:
    """Required where the API has several addresses."""
    return "CALLBACK_API_URL" if len(target.settings.api_urls) > 1 else ""


def image_port(target: TargetInstallation) -> str:
    """Required where images have a port of their own."""
    port = target.settings.image_port
    return f"IMAGE_PORT={port}" if port else ""


# Test 3 proves that the API answers on the port and by the protocol of the settings, is ours, takes our certificate and
# our token, and reaches Redis (3a, 3b); that the clocks agree, on which TLS and deadlines depend (3c); that BMCs, which
# have no certificate, can fetch images (3d); that Redis has lost nothing that an API host remembers (3e); that
# nothing else keeps the API from its work (3f); and that every other address of the API would do as well (3g).
CHECKS = (
    case.Case("3a", "API by HTTP", _http, group=_GROUP, required_by=case.api_plain, roles=case.AT_API),
    case.Case(
        "3b",
        "API by HTTPS with our client certificate",
        _https,
        group=_GROUP,
        required_by=case.api_tls,
        roles=case.AT_API,
    ),
    case.Case(
        "3c",
        "Clocks of Redis, the API and this host agree",
        _clocks,
        group=_GROUP,
        required_by=case.any_tls,
        servers=(case.REDIS, case.API),
        roles=case.AT_API,
    ),
    case.Case(
        "3d",
        "Images on a port of their own",
        _images,
        group=_GROUP,
        required_by=image_port,
        roles=case.IMAGES,
    ),
    case.Case("3e", "Redis has lost no change", _no_loss, group=_GROUP, needs=("3a", "3b"), roles=case.AT_API),
    case.Case("3f", "The API is ready", _is_ready, group=_GROUP, needs=("3a", "3b"), roles=case.AT_API),
    case.Case(
        "3g",
        "Every address of the API answers",
        _other_addresses,
        group=_GROUP,
        required_by=several_addresses,
        roles=case.AT_API,
    ),
)
