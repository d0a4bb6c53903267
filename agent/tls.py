"""The TLS settings that this run's image permits: our CA and no other.

There are two contexts: one that verifies, for everything that carries the token, and one that verifies nothing, for
the single message that reports that the first does not work.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent import parameters, tls_failures


class _SocketToApi(ssl.SSLSocket):
    """Its handshake fails unless the server is an API: any other server of our CA would be sent the token."""

    def do_handshake(self, *args: Any, **kwargs: Any) -> None:
        super().do_handshake(*args, **kwargs)
        tls_failures.check_role(self.getpeercert(), "api")


def verifying_context(params: parameters.Parameters) -> ssl.SSLContext:
    """Trusts the CA of the image alone, checks the host's name and its role, speaks TLS 1.2 or newer.

    Raises:
        BadParameters: the CA is not a certificate, or the client certificate and its key do not fit.
    """
    context = _context(params)
    try:
        context.load_verify_locations(cadata=params.ca_pem)
    except (ssl.SSLError, TypeError, ValueError):
        raise parameters.BadParameters("its ca_pem is no certificate: look at the CA file of the API") from None
    context.sslsocket_class = _SocketToApi
    return context


def insecure_context(params: parameters.Parameters) -> ssl.SSLContext:
    """Verifies nothing: only for messages that anyone may read.

    The client certificate is shown where there is one: it is public, and its key does not leave this machine.

    Raises:
        BadParameters: the client certificate and its key do not fit.
    """
    context = _context(params)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(params: parameters.Parameters) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if params.client_cert_pem and params.client_key_pem:
        _load_client_certificate(context, params.client_cert_pem, params.client_key_pem)
    return context


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    with _in_memory(f"{certificate}\n{key}") as path:
        try:
            context.load_cert_chain(path)
        except (ssl.SSLError, OSError):
            raise parameters.BadParameters("its client_cert_pem and client_key_pem are no pair") from None


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """The path of a file in memory that is gone when closed: OpenSSL reads keys from paths only."""
    descriptor = os.memfd_create("pair")
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
