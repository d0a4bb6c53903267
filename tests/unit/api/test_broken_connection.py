"""A client that has broken its connection before its request is looked at."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest
from flask import Flask

from api import peer_certificate
from api.http import problems
from tests.conftest import MakeSettings
from tests.unit.bringup.test_tls_handshakes import Handshake, client_of, server_of
from tests.unit.pki import kit


def test_its_request_is_malformed_and_no_error_of_ours(tmp_path: Path, make_settings: MakeSettings) -> None:
    """OpenSSL knows nothing of its certificate any more: the request must not pass as one without a certificate."""
    store = kit.init_pki(tmp_path / "pki", datetime.now(UTC))
    done = Handshake(server_of(make_settings, store), client_of(store, has_certificate=True))
    done.to_server.write(b"no record of TLS")
    with pytest.raises(ssl.SSLError):
        done.server.read(1)
    app = Flask("test")
    app.extensions["bringup"] = Mock(settings=make_settings(api_use_tls="true", pki_dir=store.root))
    environ = {"gunicorn.socket": done.server}
    with app.test_request_context("/", environ_base=environ), pytest.raises(problems.Refusal, match="broke"):
        peer_certificate.presented()
