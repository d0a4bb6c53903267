"""Putting our image into a slot and taking it out again, and checking that the BMC did what it accepted.

Most BMCs fetch the image from any server that answers. One that has ``VerifyCertificate`` and a place for certificates
on its slot is given our CA, and the check is switched on; both stay, because a slot that checks is the safer one.

Source: Redfish schema VirtualMedia 1.4 (VerifyCertificate, Certificates), Certificate (CertificateString).
"""

from collections.abc import Callable

from bringup import errors, log, model, text
from bringup.settings import Settings
from workers.redfish import error_mapping, tasks
from workers.redfish.connection import RedfishConnection
from workers.redfish.refusal import BmcRefusal
from workers.redfish.slots import Slot

# Seconds between two reads of a slot: BMCs need 1 to 60 s to mount, and one GET is cheap for them.
_POLL_S = 1.0
# Messages about the account: no other slot would answer differently.
_ACCOUNT = frozenset({"InsufficientPrivilege", "NoValidSession", "AccessDenied"})
# What to do where no slot can take the image.
UEFI_HTTP = 'boot_method = "uefi-http" in the inventory needs no virtual media'


class Insertion:
    """One image on its way into the first slot that takes it.

    `run` may be called again after PermitExpired, with a new permit: it continues where it stopped.

    Args:
        connection: to the BMC.
        image_url: that the BMC fetches.
        slots: in the order in which they are tried.
        media_s: seconds from an accepted insert until it must show.
        ca_pem: of the image server, for a slot that can check it.
    """

    def __init__(
        self,
        connection: RedfishConnection,
        slots: list[Slot],
        image_url: str,
        media_s: float,
        *,
        ca_pem: str | None = None,
    ) -> None:
        self.image_url = image_url
        self._connection = connection
        self._slots = slots
        self._media_s = media_s
        self._ca_pem = ca_pem
        self._why: dict[str, str] = {}  # by the path of each slot that did not take it
        self._refusals: list[BmcRefusal] = []
        self._accepted = False

    def run(self) -> Slot:
        """Put the image in, and check that it is in; returns the slot.

        Raises:
            BmcRejected: media_rejected; no slot is there, or free.
            BmcUnavailable: media_rejected; accepted and not done.
            BmcRefusal: of the only slot, or one that counts for all slots.
        """
        slot = next((one for one in self._slots if one.path not in self._why and self._succeeds(one)), None)
        if slot is None:
            raise self._failure()
        return slot

    def _succeeds(self, slot: Slot) -> bool:
        """Whether the image is in this slot now. Raises BmcRefusal where no other slot would answer differently."""
        # Never eject what is not ours: a person may be installing from it.
        if not slot.is_empty:
            self._why[slot.path] = f"holds a medium that is not ours ({shown_image(slot)}): eject it there"
            return False
        try:
            _verify_image_server(self._connection, slot, self.image_url, self._ca_pem)
            tasks.follow(self._connection, slot.insert(self._connection, self.image_url), self._media_s)
        except BmcRefusal as refusal:
            self._note(slot, refusal)
            return False
        # Accepted is not done: a BMC fetches the image afterwards, and some report no failure.
        self._accepted = True
        shown = _Shown(self._connection, slot)
        if shown.comes(lambda now: now.holds(self.image_url), self._media_s):
            return True
        self._why[slot.path] = f"accepted it and holds {shown_image(shown.slot)}"
        return False

    def _note(self, slot: Slot, refusal: BmcRefusal) -> None:
        if refusal.status_code == 401 or error_mapping.licence_in(refusal) or refusal.ids & _ACCOUNT:
            raise refusal
        self._why[slot.path] = text.without_image_secret(refusal.summary)
        self._refusals.append(refusal)
        log.get("workers").info("a slot did not take the image", slot=slot.path, why=self._why[slot.path])

    def _failure(self) -> errors.BmcUnavailable | errors.BmcRejected | BmcRefusal:
        """Why no slot has the image: what waits counts before what may pass, and that before what will not."""
        if waiting := next((refusal for refusal in self._refusals if error_mapping.is_busy(refusal)), None):
            return waiting
        if len(self._why) == 1 and self._refusals:
            return self._refusals[0]
        tried = "; ".join(f"slot {path} {why}" for path, why in self._why.items())
        if self._accepted or any(error_mapping.is_passing(refusal) for refusal in self._refusals):
            message = f"no slot of the BMC took {text.without_image_secret(self.image_url)}: {tried}"
            return errors.BmcUnavailable(message, reason=model.FailureReason.MEDIA_REJECTED)
        why = f"no slot of the BMC can take the image: {tried}" if tried else "the BMC has no virtual disc drive"
        return errors.BmcRejected(f"{why}; {UEFI_HTTP}", reason=model.FailureReason.MEDIA_REJECTED)


def eject(connection: RedfishConnection, slot: Slot, media_s: float, is_ours: Callable[[str], bool]) -> None:
    """Take our medium out, and check that it is out, or that a person has exchanged it meanwhile.

    Args:
        connection: to the BMC.
        slot: as it was read last.
        is_ours: whether what a slot shows is a medium of ours.
        media_s: seconds from an accepted eject until it must show.

    Raises:
        BmcUnavailable: it is stuck; media_rejected if it stays so.
    """
    shown = _Shown(connection, slot)
    for is_last in (False, True):  # some let go only at the second request
        if _ejected(connection, shown, media_s, is_last=is_last) or not is_ours(shown.slot.image):
            return
    message = f"the medium in slot {slot.path} is stuck: it was ejected twice and is still in"
    raise errors.BmcUnavailable(message, reason=model.FailureReason.MEDIA_REJECTED)


def shown_image(slot: Slot) -> str:
    """What the BMC shows of the medium, for people."""
    if slot.is_empty:
        return "nothing"
    return text.without_image_secret(slot.image) or "a medium without a name"


class _Shown:
    """A slot that is read again and again."""

    def __init__(self, connection: RedfishConnection, slot: Slot) -> None:
        self._connection = connection
        self.slot = slot

    def now(self) -> Slot:
        """The slot as it is now."""
        self.slot = self.slot.reread(self._connection)
        return self.slot

    def comes(self, wanted: Callable[[Slot], bool], timeout_s: float) -> bool:
        """Whether the slot becomes as it is wanted, in time."""
        return tasks.wait_until(lambda: wanted(self.now()), timeout_s, _POLL_S, self._connection.sleep)


def _ejected(connection: RedfishConnection, shown: _Shown, media_s: float, *, is_last: bool) -> bool:
    """Whether the medium is out. A refusal counts at last, and only while it is in: it may have gone by itself."""
    try:
        tasks.follow(connection, shown.slot.eject(connection), media_s)
    except BmcRefusal:
        if is_last and not shown.now().is_empty:
            raise
    return shown.comes(lambda now: now.is_empty, media_s)


def image_server_ca(settings: Settings) -> str | None:
    """The CA that has signed the certificates of the API and `bringup images`, as PEM; None: no TLS, or unreadable."""
    if not settings.api_use_tls:
        return None
    try:
        return settings.path_of("api_tls_ca").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        log.get("workers").warning("BMCs cannot be given the CA of the image server", why=str(error))
        return None


def _verify_image_server(connection: RedfishConnection, slot: Slot, image_url: str, ca_pem: str | None) -> None:
    """Give the slot our CA and let it check, if it has both; a BMC that refuses is logged, and fetches unchecked.

    Args:
        connection: to the BMC.
        slot: as it was read last.
        image_url: that the BMC fetches.
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
            connection.patch(connection.get_ahead(slot.path), {"VerifyCertificate": True})
    except BmcRefusal as refusal:
        if refusal.status_code == 401:
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
