"""When certificates and the list of revoked ones end, and when each is renewed: the dates of the reports."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from bringup.settings import Settings
from pki.crl import read_crls
from pki.errors import PkiError
from pki.renew import TWO_THIRDS
from pki.store import Store, read_certificates
from selftest.target_installation import TargetInstallation

CA = "ca"
CRL = "list of revoked certificates"


@dataclass(frozen=True)
class ValidityPeriod:
    """From when to when something is valid.

    Args:
        name: of the identity, ``ca``, or the list of revoked certificates.
        due: from when on it is renewed by `bringup pki renew` or `bringup site renew`; of a CA: replaced.
    """

    name: str
    start: datetime
    end: datetime
    due: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until its end; negative: it has ended."""
        return (self.end - now).days


def validities(target: TargetInstallation) -> list[ValidityPeriod]:
    """What is on this host and can be read, the nearest end first."""
    store, settings = target.store, target.settings
    found = [*_certificates(store, settings), *_lists(store, settings)]
    return sorted(found, key=lambda one: one.end)


def of_certificate(name: str, certificate: x509.Certificate, renew_days: int) -> ValidityPeriod:
    """When it is renewed: past two thirds of its validity, or near its end.

    Args:
        name: of its holder.
        certificate: any certificate.
        renew_days: RENEW_DAYS.
    """
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return ValidityPeriod(name, start, end, min(start + (end - start) * TWO_THIRDS, end - timedelta(days=renew_days)))


def _certificates(store: Store, settings: Settings) -> Iterator[ValidityPeriod]:
    with suppress(PkiError, OSError):
        for authority in store.authorities():
            yield of_certificate(CA, authority, settings.renew_days)
    for identity in store.identities():
        with suppress(PkiError, OSError):
            if certificate := store.certificate(identity):
                yield of_certificate(str(identity), certificate, settings.renew_days)
    for name in ("redis_tls_cert", "api_client_cert", "api_tls_cert"):
        with suppress(PkiError, OSError):
            if path := getattr(settings, name):
                yield of_certificate(name.upper(), read_certificates(path)[0], settings.renew_days)


def _lists(store: Store, settings: Settings) -> Iterator[ValidityPeriod]:
    path = settings.api_tls_crl or store.ca_crl
    with suppress(PkiError, OSError):
        for one in read_crls(path):
            end = one.next_update_utc or one.last_update_utc
            # As `pki.renew.crl_is_due` has it: a list is renewed after a third of CRL_DAYS.
            yield ValidityPeriod(CRL, one.last_update_utc, end, end - timedelta(days=settings.crl_days) * TWO_THIRDS)
