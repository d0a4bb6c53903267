"""Certificates of simulated machines: made with the CA key of this host; a real one finds its own in its image."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bringup.errors import PermanentError
from bringup.settings import Settings
from pki.errors import PkiError
from pki.issue import issue_ephemeral
from pki.names import Identity, Role
from pki.profile import Validity
from pki.session import CaSession
from pki.store import Store

_WAIT_S = 30  # machines that boot together ask together


class RunCertificates:
    """Makes one for each boot, in a folder that ends with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="bringup-simulate-")

    def settings_for(self, run_id: str) -> Settings:
        """Our settings, with the certificate that the machine of a run presents.

        Raises:
            PermanentError: the CA key is not here, or cannot be used.
        """
        if not self._settings.machines_need_certificates:
            return self._settings
        pair = Path(self._folder.name) / f"{run_id}.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(self._made(run_id))
        return self._settings.model_copy(update={"api_client_cert": pair, "api_client_key": pair})

    def _made(self, run_id: str) -> bytes:
        secret = self._settings.ca_key_passphrase
        try:
            with CaSession.open(
                Store(self._settings.pki_dir),
                "bringup simulate",
                datetime.now(UTC),
                validity=Validity(leaf_days=1),
                passphrase=lambda: secret.get_secret_value() if secret else None,
                wait_s=_WAIT_S,
            ) as session:
                return issue_ephemeral(session, Identity(Role.RUN, run_id))
        except (PkiError, OSError) as error:
            raise PermanentError(
                f"API_REQUIRE_CLIENT_CERT=true, and no certificate can be made here: {error}"
            ) from None
