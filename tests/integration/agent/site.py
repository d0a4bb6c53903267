"""The real API by HTTPS, certificates for it with one defect each, and machines that run the agent."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from werkzeug.serving import make_server

from agent import main
from agent.system import System
from pki import profile
from pki.authority import Authority, key_pem, pem
from pki.names import Identity, Role, parse_san
from tests.integration.api.conftest import RUN_A
from tests.unit.agent.tree import KERNEL, Stage, whole

HOST = parse_san("127.0.0.1")


class Ca:
    """A CA and what it signs."""

    def __init__(self, *, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC)
        self.authority = Authority.new(3650, self.now)

    @property
    def pem(self) -> str:
        return pem(self.authority.certificate).decode()

    def certify(self, identity: Identity, *, days: int = 30) -> tuple[str, str]:
        """A certificate and its key, as PEM."""
        key: ec.EllipticCurvePrivateKey = profile.new_key()
        certificate = self.authority.certify(identity, (HOST,), key.public_key(), days, self.now)
        return pem(certificate).decode(), key_pem(key).decode()


@dataclass
class Listener:
    """Where the API is served."""

    url: str
    ca: Ca


@contextmanager
def served(app: Flask, folder: Path, ca: Ca, *, asks_for_certificate: bool = False) -> Iterator[Listener]:
    """The application on a free port, by HTTPS."""
    path = folder / "api.pem"
    path.write_text("\n".join(ca.certify(Identity(Role.API, "api"), days=10)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if asks_for_certificate:
        context.load_verify_locations(cadata=ca.pem)
        context.verify_mode = ssl.CERT_REQUIRED
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Listener(f"https://127.0.0.1:{server.port}/api/v1", ca)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Booted:
    """A machine with the agent on it: its files and network are made up, its calls to the API are real."""

    def __init__(self, root: Path, **given: Any) -> None:
        self.tree = whole(root)
        self.stage = Stage(at=datetime.now(UTC).timestamp(), time_limit_s=900)
        now = int(datetime.now(UTC).timestamp())
        self.given = {"run_id": RUN_A, "epoch": now - 3600, "after": "poweroff", "lldp_wait_s": 0, **given}

    def run(self) -> str:
        """The agent to its end. Returns what it wrote to the console."""
        self.tree.put("etc/bringup/run.json", json.dumps(self.given).encode().ljust(65536))
        main.run(self.tree.root, self.system, KERNEL)
        return self.console

    @property
    def system(self) -> System:
        return self.stage.system

    @property
    def console(self) -> str:
        return "\n".join(self.stage.lines)


def long_ago() -> Ca:
    """A CA whose leaves of 10 days have expired."""
    return Ca(now=datetime.now(UTC) - timedelta(days=90))
