"""Only who has the run's token can end a run because of TLS."""

import hmac

import pytest

from api.runs.tls_failure import proves
from bringup.wire.machine import TlsFailure

RUN = "02-00-00-00-00-01-1764000000"


@pytest.mark.parametrize("stored", [None, ""])
@pytest.mark.parametrize("key", [b"0" * 64, b""])
def test_a_run_without_a_token_accepts_no_proof(stored: str | None, key: bytes) -> None:
    proof = hmac.new(key, f"{RUN}:tls_trust".encode(), "sha256").hexdigest()
    message = TlsFailure.model_validate({"reason": "tls_trust", "proof": proof, "boot_id": "b1"})
    assert not proves(message, RUN, stored)
