"""Letting a BMC check the server that it fetches our image from, where it can.

Most fetch from whoever answers. One that has ``VerifyCertificate`` and a place for certificates on its slot is given
our CA and told to check; both stay, because a slot that checks is the safer one to leave behind.

Source: Redfish schema VirtualMedia 1.4 (VerifyCertificate, Certificates), Certificate (CertificateString).
"""

from requests import codes

from bringup import log
from bringup.settings import Settings
from workers.redfish.connection import RedfishConnection
from workers.redfish.etags import patch_current
from workers.redfish.refusal import Refusal
from workers.redfish.slots import Slot


def image_server_ca(settings: Settings) -> str | None:
    """The CA that the API and `bringup images` prove themselves by, as PEM; None: no TLS, or it cannot be read."""
    if not settings.api_use_tls:
        return None
    try:
        return settings.path_of("api_tls_ca").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        log.get("workers").warning("BMCs cannot be given the CA of the image server", why=str(error))
        return None


def trust_image_server(connection: RedfishConnection, slot: Slot, image_url: str, ca_pem: str | None) -> None:
    """Give the slot our CA and let it check, if it has both; a BMC that refuses is logged, and fetches unchecked.

    Args:
        ca_pem: the CA of the image server; None: it is not reached by TLS, or its file cannot be read here.

    Raises:
        NoAnswer, PermitExpired.
    """
    place = slot.resource.link("Certificates")
    if ca_pem is None or not image_url.startswith("https:") or place is None:
        return
    if slot.resource.flag("VerifyCertificate") is None:
        return
    try:
        _install(connection, place, ca_pem)
        if not slot.resource.flag("VerifyCertificate"):
            patch_current(connection, connection.get_ahead(slot.path), {"VerifyCertificate": True})
    except Refusal as refusal:
        if refusal.status_code == codes.unauthorized:
            raise
        log.get("workers").warning(
            "the BMC fetches the image without checking its server", slot=slot.path, why=refusal.summary
        )


def _install(connection: RedfishConnection, place: str, ca_pem: str) -> None:
    wanted = _plain(ca_pem)
    if any(_plain(one.text("CertificateString")) == wanted for one in connection.members(place)):
        return
    connection.post(place, {"CertificateString": ca_pem, "CertificateType": "PEM"})


def _plain(pem: str) -> str:
    return "".join(pem.split())
