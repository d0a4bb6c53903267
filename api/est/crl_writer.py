"""Writes API_TLS_CRL as soon as the CA's host has posted a newer list: a revocation must not wait for a timer."""

import time
from pathlib import Path

from api.est.trust import read_anchors, usable_lists
from api.state.trust import TrustStore
from bringup import errors, files, log
from bringup.outages import Alarm
from bringup.settings import Settings

# Seconds. With the second after which TLS looks at its files, a list is in force within two of its publication.
_LOOK_EVERY_S = 1.0


class CrlWriter:
    """Takes over what is published if a CA that is trusted here has signed it, and it is newer.

    Args:
        trust: where it is published.
        settings: name the files.
    """

    def __init__(self, trust: TrustStore, settings: Settings) -> None:
        self._trust = trust
        self._ca = settings.path_of("api_tls_ca")
        self._path = settings.path_of("api_tls_crl")
        self._looked_at: bytes | None = None
        self._alarm = Alarm(
            "api",
            "the published list of revoked certificates (CRL) is not in use here",
            "the published list of revoked certificates (CRL) is in use",
            file=str(self._path),
        )

    def keep_current(self) -> None:
        """Look every second, for ever: for a thread of its own."""
        while True:
            self.look()
            time.sleep(_LOOK_EVERY_S)

    def look(self) -> None:
        """Take over what is published, unless it was looked at before."""
        try:
            published = self._trust.crl()
            if published is None or published == self._looked_at:
                return
            anchors = read_anchors(self._ca.read_bytes())
            lists = usable_lists(published, _content(self._path), anchors)
            if lists:
                files.write_atomically(self._path, lists)
                self._path.chmod(0o644)  # public, and other services of this host may read it
                log.get("api").info("a newer list of revoked certificates (CRL) is in use", file=str(self._path))
        except errors.BringupError as error:  # Redis is away: every call of the API reports it, too
            log.get("api").debug("the published revocation list was not looked at", why=str(error))
        except (OSError, ValueError) as error:  # looked at again: a new CA may become trusted here meanwhile
            self._alarm.report(str(error))
        else:
            self._looked_at = published
            self._alarm.clear()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
