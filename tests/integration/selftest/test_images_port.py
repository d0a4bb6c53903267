"""Check 3d: the port that BMCs fetch images from."""

from pki.check import Status
from tests.conftest import free_port
from tests.integration.selftest.site import Site


def test_without_a_port_for_images_nothing_is_asked(plain_site: Site) -> None:
    assert plain_site.tested()["3d"].status is Status.INFO


def test_exceptions_for_who_is_given_parameters_are_a_warning(plain_site: Site) -> None:
    found = plain_site.tested({"image_readers": "192.0.2.0/24"})
    assert found["3d"].status is Status.WARN
    assert "every host in 192.0.2.0/24" in found.text("3d")


def test_images_are_served_by_http_while_the_flag_is_off(plain_site: Site) -> None:
    with plain_site.images() as changes:
        found = plain_site.tested(changes)
    assert (found["3d"].status, found["3d"].message) == (Status.OK, "they are served by HTTP")


def test_images_are_served_by_https_to_who_has_no_certificate(tls_site: Site) -> None:
    with tls_site.images() as changes:
        found = tls_site.tested(changes)
    assert found["3d"].status is Status.OK
    assert found["3d"].message == "they are served by HTTPS, without asking for a certificate"
    assert not found.failing


def test_a_promised_port_where_nobody_listens_is_a_failure(tls_site: Site) -> None:
    found = tls_site.tested({"image_port": free_port()})
    assert found.failing == {"3d"}
    assert "nobody answers" in found.text("3d")
    assert "start `bringup images`" in found.text("3d")


def test_plain_images_are_a_failure_when_the_flag_is_on(tls_site: Site) -> None:
    plain = {"API_USE_TLS": "false", "ENVIRONMENT": "development"}
    with tls_site.images(**plain) as changes:
        found = tls_site.tested(changes)
    assert found.failing == {"3d"}
    assert "it speaks plain text, not TLS" in found.text("3d")


def test_a_port_that_asks_bmcs_for_certificates_is_a_failure(tls_site: Site) -> None:
    found = tls_site.tested({"image_port": tls_site.settings.callback_api_port})
    assert found.failing == {"3d"}
