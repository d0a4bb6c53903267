"""The TLS side of a worker's connections: the handshake, and their end when the client's certificate is refused."""

from functools import partial
from typing import Any

from cryptography import x509
from gunicorn import util
from gunicorn.sock import ssl_context, ssl_wrap_socket

from api.server.connections import Client, Clients
from api.server.peer_trust import PeerTrust, has_ended
from bringup import log
from bringup.errors import SettingsError
from bringup.model import utc_now
from bringup.settings import Settings

LINGER_S = 0.3  # for the last bytes to arrive before a connection is closed: many round trips


class TlsConnections:
    """Every connection has the TLS context that is in force when it is made, and none outlives the trust in its client.

    Args:
        cfg: gunicorn's configuration; its ``ssl_context`` hook yields the context in force.
    """

    def __init__(self, cfg: Any, settings: Settings, clients: Clients) -> None:
        self._cfg = cfg
        self._clients = clients
        self._context = partial(ssl_context, cfg)
        self._trust = PeerTrust(settings.path_of("api_tls_ca"), settings.path_of("api_tls_crl"), self._context)
        self._problem = ""

    def secured(self, sock: Any, client: Client) -> Any | None:
        """``sock`` after its handshake; None when there is no connection to be made."""
        try:
            secured = ssl_wrap_socket(sock, self._cfg)
            if not _shook_hands(secured):
                return None
            client.certificate = _certificate(secured)
            if secured.context is not self._context():
                self._trust.judge_again()  # the files changed while hands were shaken
            # OpenSSL looks at no certificate when it resumes a session.
            return None if client.certificate and has_ended(client.certificate, utc_now()) else secured
        except SettingsError:
            return None  # reported once, by `close_refused`, and not at each connection

    def close_refused(self) -> None:
        """Close what a new revocation list, another CA or the clock has put an end to. To be called every second."""
        clients = self._clients.certificates()
        try:
            refused = self._trust.refused(set(clients))
        except SettingsError as error:
            self._report(str(error))
            return
        self._report("")
        for certificate, why in refused.items():
            name = certificate.subject.rfc4514_string()
            log.get("api").warning("a client's connections are closed: its certificate is refused", name=name, why=why)
            self._clients.close(clients[certificate])

    def _report(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.get("api").error("no client can connect", problem=problem)
        self._problem = problem


def _shook_hands(secured: Any) -> bool:
    try:
        secured.do_handshake()
    except OSError as error:  # ssl.SSLError is one
        log.get("api").debug("no TLS connection was made", why=str(error))
        util.close_graceful(secured, LINGER_S)  # our alert must arrive: it says why
        return False
    return True


def _certificate(secured: Any) -> x509.Certificate | None:
    presented = secured.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(presented) if presented else None
