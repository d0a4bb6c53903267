"""Test 3, the images: the port of their own that BMCs fetch them from, where there is one."""

from selftest.check import Check, Finding, fail, info, ok, skip
from selftest.explain import unusable
from selftest.probe import Answer, Endpoint, Identity, trusting
from selftest.protocol_probe import hear
from selftest.target_installation import Subject

_SERVICE = "bringup-api"
_MEND = "start `bringup images` on the API's host, with the API's settings"


def _images(subject: Subject) -> Finding:
    """BMCs come without a certificate; they are served, by what API_USE_TLS says and by nothing else."""
    port = subject.settings.image_port
    if not port:
        return info("there is no port for images (IMAGE_PORT=0): the API's own serves them, if any")
    endpoint = Endpoint("the images", subject.api.host, port, subject.wait_s)
    hindrance = hear(endpoint, subject.health_request).hindrance(tls=subject.settings.api_use_tls)
    if hindrance:
        return fail(f"{endpoint}: {hindrance}", expected="`bringup images`, as API_USE_TLS says", mend=_MEND)
    try:
        answer = _as_a_bmc(subject, endpoint)
    except OSError as error:
        return skip(f"inconclusive: {unusable(error)}", mend="bringup pki verify")
    if answer.accepted and _SERVICE in answer.said:
        how = "HTTPS, without asking for a certificate" if subject.settings.api_use_tls else "HTTP"
        return ok(f"they are served by {how}")
    return fail(f"{endpoint}: {answer.first_line}", expected="a healthy answer without a certificate", mend=_MEND)


def _as_a_bmc(subject: Subject, endpoint: Endpoint) -> Answer:
    """As one that checks certificates and has none."""
    if not subject.settings.api_use_tls:
        return endpoint.plain(subject.health_request)
    return endpoint.secured(trusting(Identity(subject.api_identity.ca)), subject.health_request, listen_s=0)


def _are_promised(subject: Subject) -> bool:
    return subject.settings.image_port != 0


CHECKS = (Check("3d", "3 Callback API", "Images on a port of their own", _images, _are_promised),)
