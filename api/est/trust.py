"""Whether trust anchors and revocation lists may be published, and whether a list may replace another.

`CrlWriter` writes API_TLS_CRL as soon as the CA's host has posted a newer list: a revocation must not wait for a timer.

Source: RFC 5280 s.5.1 (lists), s.5.2.3 (their numbers).
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from api.state.enrollments import TrustStore
from bringup import errors, files, log, outages
from bringup.settings import Settings
from bringup.wire.site import Trust

# Of a rollover there are two; a third would be a mistake.
_MOST_ANCHORS = 4
_PEM_END = b"-----END X509 CRL-----"
# Seconds. With the second after which TLS looks at its files, a list is in force within two of its publication.
_LOOK_EVERY_S = 1.0


def read_anchors(pem: bytes) -> list[x509.Certificate]:
    """The CA certificates in a text of PEM. Raises ValueError."""
    found = x509.load_pem_x509_certificates(pem)
    for one in found:
        if not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise ValueError("one of the certificates is not that of a CA")
    return found


def read_lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    """The revocation lists in a text of PEM, one for each CA. Raises ValueError."""
    return [x509.load_pem_x509_crl(part + _PEM_END) for part in pem.split(_PEM_END)[:-1]]


def problem_of(trust: Trust) -> str:
    """Why this must not be published; empty if it may."""
    try:
        anchors = read_anchors(trust.anchors.encode())
        lists = read_lists(trust.crl.encode())
        vouchers = read_anchors(trust.vouchers.encode()) if trust.vouchers else []
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        return f"it cannot be read: {error}"
    if not 1 <= len(anchors) <= _MOST_ANCHORS:
        return f"it has {len(anchors)} trust anchors; 1 to {_MOST_ANCHORS} are accepted"
    if not lists or not all(signer(one, anchors) for one in lists):
        return "a revocation list is missing, or is not signed by one of the trust anchors"
    if not all(any(_signed(one, anchor) for anchor in anchors) for one in vouchers):
        return "a voucher is not signed by one of the trust anchors"
    return ""


def is_newer(new: Sequence[x509.CertificateRevocationList], old: Sequence[x509.CertificateRevocationList]) -> bool:
    """Whether no list of ``new`` is older than that of the same CA in ``old``, and one is newer or of another CA.

    Without this an old list that is played back would let the revoked in again.
    """
    before, after = _numbers(old), _numbers(new)
    kept = before.keys() & after.keys()
    if any(after[name] < before[name] for name in kept):
        return False
    return after.keys() != before.keys() or any(after[name] > before[name] for name in kept)


def usable_lists(new: bytes, present: bytes, anchors: Sequence[x509.Certificate]) -> bytes | None:
    """The lists to use from now on, in PEM; None: the present ones stay.

    Args:
        new: the lists that were received.
        present: those in use; empty: none yet.
        anchors: the CAs that are trusted here. A list of another CA is left out.

    Raises:
        ValueError: ``new`` cannot be read, a CA has no list, or one is older than the present one.
    """
    old, lists = read_lists(present), [one for one in read_lists(new) if signer(one, anchors)]
    if {signer(one, anchors) for one in lists} != set(anchors):
        raise ValueError("a CA that is trusted here has no revocation list among those that were received")
    if _numbers(lists) == _numbers(old):
        return None
    if not is_newer(lists, old):
        raise ValueError("the revocation lists that were received are older than those in use")
    return b"".join(one.public_bytes(Encoding.PEM) for one in lists)


def signer(revocations: x509.CertificateRevocationList, anchors: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """Which CA has signed a list: by its signature, for a name proves nothing."""
    return next((one for one in anchors if _signed_list(revocations, one)), None)


def _signed_list(revocations: x509.CertificateRevocationList, anchor: x509.Certificate) -> bool:
    try:
        return revocations.is_signature_valid(anchor.public_key())  # type: ignore[arg-type] # TypeError: another kind
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _signed(certificate: x509.Certificate, anchor: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(anchor)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _numbers(lists: Sequence[x509.CertificateRevocationList]) -> Mapping[bytes, int]:
    return {
        one.issuer.public_bytes(): one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        for one in lists
    }


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
        # What was published, and the CAs trusted then: the list of a CA that is trusted later counts from then on.
        self._looked_at: tuple[bytes, bytes] | None = None
        self._alarm = outages.Alarm(
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
            if published is None:
                return
            seen = published, self._ca.read_bytes()
            if seen == self._looked_at:
                return
            anchors = read_anchors(seen[1])
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
            self._looked_at = seen
            self._alarm.clear()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
