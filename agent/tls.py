"""TLS as this run's image allows it: our CA and nothing else."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from agent.parameters import BadParameters, Parameters


def verifying(given: Parameters) -> ssl.SSLContext:
    """Trusts the CA of the image alone, checks the host's name, speaks TLS 1.2 or newer.

    Raises:
        BadParameters: what the image carries is no certificate or no key.
    """
    context = _context(given)
    try:
        context.load_verify_locations(cadata=given.ca_pem)
    except (ssl.SSLError, TypeError, ValueError):
        raise BadParameters("its ca_pem is no certificate: look at the CA file of the API") from None
    return context


def blind(given: Parameters) -> ssl.SSLContext:
    """Checks nothing: only for what anybody may read.

    The client certificate is shown where there is one: it is public, and its key does not leave this machine.
    """
    context = _context(given)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(given: Parameters) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if given.client_cert_pem and given.client_key_pem:
        _load_own(context, given.client_cert_pem, given.client_key_pem)
    return context


def _load_own(context: ssl.SSLContext, certificate: str, key: str) -> None:
    with _in_memory(f"{certificate}\n{key}") as path:
        try:
            context.load_cert_chain(path)
        except (ssl.SSLError, OSError):
            raise BadParameters("its client_cert_pem and client_key_pem are no pair") from None


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """A file with no name, gone when closed: OpenSSL reads keys from paths only."""
    descriptor = os.memfd_create("pair")
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
