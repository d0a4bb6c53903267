"""The TLS side of a worker's connections: the handshake, and their end when the client's certificate is refused.

TLS itself judges a certificate only once, at the handshake. Source: RFC 5280 s.6.1.3 (validity, revocation, signature).
No intermediate CA is looked for: a client of one has to connect anew when the files change, and TLS then judges all
that it sends.
"""

import contextlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from gunicorn import util
from gunicorn.sock import ssl_context, ssl_wrap_socket

from bringup import errors, log, model, outages
from bringup.serving.connections import ClientConnection, ClientConnections
from bringup.settings import Settings

# For the last bytes to arrive before a connection is closed: many round trips. Without it the other side may read a
# reset instead of our alert or response.
LINGER_S = 0.3


class TlsConnections:
    """Every connection has the TLS context that is in force when it is made, and none outlives the trust in its client.

    Args:
        cfg: gunicorn's configuration; its ``ssl_context`` hook yields the context in force.
    """

    def __init__(self, cfg: Any, settings: Settings, clients: ClientConnections) -> None:
        self._cfg = cfg
        self._clients = clients
        in_force = partial(ssl_context, cfg)
        self._trust = PeerTrust(settings.path_of("api_tls_ca"), settings.path_of("api_tls_crl"), in_force)
        self._alarm = outages.Alarm("api", "no client can connect", "clients can connect again")

    def secured(self, sock: Any, client: ClientConnection) -> Any | None:
        """``sock`` after its handshake; None when there is no connection to be made."""
        try:
            secured = ssl_wrap_socket(sock, self._cfg)
            if not _handshake_done(secured):
                return None
            client.certificate = _certificate(secured)
            self._trust.accepted_by(secured.context)
            # OpenSSL looks at no certificate when it resumes a session.
            return None if client.certificate and has_ended(client.certificate, model.utc_now()) else secured
        # The files cannot be used now: reported once, by `close_refused`, and not at each connection.
        except errors.SettingsError:
            return None

    def close_refused(self) -> None:
        """Close the connections whose certificate is revoked, expired or of another CA by now. Called every second."""
        clients = self._clients.certificates()
        try:
            refused = self._trust.refused(set(clients))
        except errors.SettingsError as error:
            self._alarm.report(str(error))
            return
        self._alarm.clear()
        for certificate, why in refused.items():
            name = certificate.subject.rfc4514_string()
            log.get("api").warning("a client's connections are closed: its certificate is refused", name=name, why=why)
            self._clients.close(clients[certificate])


def _handshake_done(secured: Any) -> bool:
    try:
        secured.do_handshake()
    except OSError as error:  # ssl.SSLError is one
        log.get("api").debug("no TLS connection was made", why=str(error))
        util.close_graceful(secured, LINGER_S)  # our alert must arrive: it has the reason
        return False
    return True


def _certificate(secured: Any) -> x509.Certificate | None:
    presented = secured.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(presented) if presented else None


class PeerTrust:
    """Judges certificates by the CA and revocation list that TLS uses now.

    Args:
        context: the TLS context in force; it is another one whenever one of the files has changed.
    """

    def __init__(self, ca: Path, crl: Path, context: Callable[[], object]) -> None:
        self._ca = ca
        self._crl = crl
        self._context = context
        self._judged_by: object = context()

    def accepted_by(self, context: object) -> None:
        """A connection was made with this TLS context. One of other files than were judged by last: all are judged.

        The files may have changed, and all others have been judged, during its handshake.
        """
        if context is not self._judged_by:
            self._judged_by = None

    def refused(self, certificates: set[x509.Certificate]) -> dict[x509.Certificate, str]:
        """Which of these are accepted no longer, and why. Only a change of the files makes it read them."""
        now = model.utc_now()
        refused = {one: "it has expired" for one in certificates if has_ended(one, now)}
        context = self._context()
        if context is not self._judged_by:
            with contextlib.suppress(OSError, ValueError):  # a file is being replaced: the next call judges
                refused |= self._judged(certificates - refused.keys())
                self._judged_by = context
        return refused

    def _judged(self, certificates: set[x509.Certificate]) -> dict[x509.Certificate, str]:
        authorities = x509.load_pem_x509_certificates(self._ca.read_bytes())
        lists = _revocation_lists(self._crl)
        reasons = {one: _reason(one, authorities, lists) for one in certificates}
        return {one: reason for one, reason in reasons.items() if reason}


def has_ended(certificate: x509.Certificate, now: datetime) -> bool:
    """It has expired. A resumed TLS session does not check this."""
    return certificate.not_valid_after_utc < now


def _revocation_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """Those in the file, one for each generation of the CA; none without a file."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    end = b"-----END X509 CRL-----"
    return [x509.load_pem_x509_crl(part + end) for part in text.split(end)[:-1]]


def _reason(
    certificate: x509.Certificate, authorities: list[x509.Certificate], lists: list[x509.CertificateRevocationList]
) -> str:
    if not any(_signed(authority, certificate) for authority in authorities):
        return "its CA is trusted no longer"
    for known in lists:
        if known.issuer == certificate.issuer and known.get_revoked_certificate_by_serial_number(
            certificate.serial_number
        ):
            return "it is revoked"
    return ""


def _signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
