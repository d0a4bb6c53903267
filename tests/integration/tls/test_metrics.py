"""Metrics over mutual TLS, with what the roles of Redis allow."""

import pytest

from tests.integration.tls.conftest import Served
from tests.integration.tls.test_machine import send


@pytest.mark.parametrize("role", ["operator", "worker"])
def test_staff_reads_the_metrics(strict: Served, role: str) -> None:
    status, text = send(strict.by(role), "GET", "/metrics")
    assert status == 200
    assert b'bringup_devices{state="approved"}' in text


def test_a_machine_does_not(strict: Served) -> None:
    assert send(strict.by("run"), "GET", "/metrics")[0] == 403
