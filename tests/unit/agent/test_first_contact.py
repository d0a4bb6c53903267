"""What goes wrong on the way to the API, in one plain line each; and what is proven without sending the token."""

import hashlib
import http.client
import json
import socket
import ssl

import pytest

from agent import api, error_messages, heartbeat, tls
from agent.api import Response
from agent.error_messages import TlsFailureReason
from agent.parameters import BadParameters, Parameters
from api.runs.tls_failure import proves
from bringup.wire import machine as wire

GIVEN = Parameters("02-00-00-00-00-01-1795426896", "https://api.example.net/api/v1", "the-token", 0, ca_pem="none")
PLACE = "api.example.net:443"
YEAR_2019 = 1_546_300_800


def unverified(code: int, message: str = "unable to get local issuer certificate") -> Exception:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (unverified(9), TlsFailureReason.CLOCK),
        (unverified(10), TlsFailureReason.CLOCK),
        (unverified(20), TlsFailureReason.TRUST),
        (unverified(62), TlsFailureReason.TRUST),
        (ssl.SSLError(1, "wrong version number"), None),
        (ConnectionRefusedError(), None),
    ],
)
def test_only_a_certificate_that_was_looked_at_is_distrusted(error: Exception, kind: TlsFailureReason | None) -> None:
    assert error_messages.tls_failure(error) is kind


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            unverified(10, "certificate has expired"),
            "a certificate is past its end, or a clock is wrong; bringup pki renew; date (this machine's time is 2019",
        ),
        (
            unverified(20),
            "unable to get local issuer certificate: the server's CA is not the one in API_TLS_CA; set API_TLS_CA",
        ),
        (socket.gaierror(-2, "Name or service not known"), "does not resolve (Name or service not known)"),
        (ConnectionRefusedError(111, "Connection refused"), f"{PLACE} refuses the connection"),
        (TimeoutError("timed out"), f"{PLACE} does not answer"),
        (OSError(113, "No route to host"), f"{PLACE} cannot be reached (No route to host)"),
        (ssl.SSLError(1, "x"), f"no TLS with {PLACE}"),
        (http.client.RemoteDisconnected("x"), f"{PLACE} does not speak HTTP"),
        (ValueError("x"), f"the call to {PLACE} failed (ValueError: x)"),
    ],
)
def test_each_failure_has_its_plain_line(error: Exception, shown: str) -> None:
    words = error_messages.describe_error(error, PLACE, YEAR_2019, uses_tls=False)
    assert shown in words
    assert "\n" not in words


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (401, "refuses this run's token"),
        (404, "this run is over"),
        (410, "this run is over"),
        (409, "has another report"),
        (422, "does not accept this report"),
        (503, "has an internal problem (503)"),
        (302, "answers 302"),
    ],
)
def test_each_refusal_has_its_plain_line(status: int, shown: str) -> None:
    assert shown in error_messages.describe_refusal(Response(status, {"detail": "d"}, "", ""), PLACE)


@pytest.mark.parametrize("kind", list(TlsFailureReason))
def test_the_proof_is_the_one_that_the_api_computes(kind: TlsFailureReason) -> None:
    message = heartbeat.tls_failure_message(GIVEN, kind, "b1", "x" * 5000)
    parsed = wire.TlsFailure.model_validate_json(json.dumps(message), strict=True)
    assert proves(parsed, GIVEN.run_id, hashlib.sha256(b"the-token").hexdigest())
    assert "the-token" not in json.dumps(message)


def test_the_next_heartbeat_comes_when_the_api_asks_for_it() -> None:
    assert heartbeat.next_s(Response(202, {"next_s": 42}, "", "")) == 42
    assert heartbeat.next_s(Response(202, {"next_s": 0}, "", "")) == 1
    assert heartbeat.next_s(Response(202, {"next_s": 10**400}, "", "")) == 3600
    nan = Response(202, {"next_s": float("nan")}, "", "")  # a wait for NaN is none at all: beat after beat
    for answer in (nan, Response(202, {"next_s": "soon"}, "", ""), Response(503, {"next_s": 1}, "", "")):
        assert 20 <= heartbeat.next_s(answer) <= 40


def test_a_server_may_ask_to_wait_but_not_for_ever() -> None:
    assert 5 <= api.retry_delay("") <= 30
    assert 5 <= api.retry_delay("Mon, 23 Nov 2026 09:00:30 GMT") <= 30
    assert 90 <= api.retry_delay("90") <= 92
    assert api.retry_delay("9" * 400) <= 602


@pytest.mark.parametrize("text", ["", "no certificate", "Zertifikät", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_an_image_whose_ca_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(BadParameters, match="ca_pem is no certificate"):
        tls.verifying_context(GIVEN._replace(ca_pem=text))


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(BadParameters, match="are no pair"):
        tls.insecure_context(GIVEN._replace(client_cert_pem="c", client_key_pem="k"))
