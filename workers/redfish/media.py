"""Putting our image into a slot and taking it out again, and seeing whether the BMC did what it accepted.

Source: Redfish schema VirtualMedia (InsertMedia, EjectMedia), DSP0266 s.7.9.1 (ActionInfo).
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from requests import Response

from bringup import log
from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.text import without_image_secret
from workers.redfish.connection import RedfishConnection
from workers.redfish.errors import is_passing, licence_in
from workers.redfish.etags import patch_current
from workers.redfish.image_trust import trust_image_server
from workers.redfish.refusal import Refusal
from workers.redfish.resource import Action
from workers.redfish.slots import Slot
from workers.redfish.tasks import follow
from workers.redfish.waiting import comes_true, is_busy

_LOOK_EVERY_S = 1.0
_MOST_ADDITIONS = 4  # each of the parameters below can be asked for once
# What a NVIDIA DGX wants even for an open image; it takes no empty ones. Source: sushy, OpenStack bug 2071945.
_NO_CREDENTIAL = "none"
_ACCOUNT = frozenset({"InsufficientPrivilege", "NoValidSession", "AccessDenied"})
UEFI_HTTP = 'boot_method = "uefi-http" in the inventory needs no virtual media'


class Insertion:
    """One image on its way into the first slot that takes it.

    `run` may be called again after PermitExpired, with a new permit: it goes on where it stopped.

    Args:
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
        self._refusals: list[Refusal] = []
        self._accepted = False

    def run(self) -> Slot:
        """Put the image in, and see that it is in; returns the slot.

        Raises:
            BmcRejected: media_rejected; no slot is there, or free.
            BmcUnavailable: media_rejected; accepted and not done.
            Refusal: of the only slot, or one that counts for all slots.
        """
        taken = next((slot for slot in self._slots if slot.path not in self._why and self._succeeds(slot)), None)
        if taken is None:
            self._raise_outcome()
        return taken

    def _succeeds(self, slot: Slot) -> bool:
        """Whether the image is in this slot now. Raises Refusal where no other slot would answer differently."""
        if not slot.is_empty:
            self._why[slot.path] = f"holds a medium that is not ours ({shown_image(slot)}): eject it there"
            return False
        try:
            trust_image_server(self._connection, slot, self.image_url, self._ca_pem)
            follow(self._connection, _send(self._connection, slot, self.image_url), self._media_s)
        except Refusal as refusal:
            self._note(slot, refusal)
            return False
        self._accepted = True
        shown = _Shown(self._connection, slot)
        if shown.comes(lambda now: now.holds(self.image_url), self._media_s):
            return True
        self._why[slot.path] = f"accepted it and holds {shown_image(shown.slot)}"
        return False

    def _note(self, slot: Slot, refusal: Refusal) -> None:
        if refusal.status_code == 401 or licence_in(refusal) or refusal.ids & _ACCOUNT:
            raise refusal
        self._why[slot.path] = without_image_secret(refusal.summary)
        self._refusals.append(refusal)
        log.get("workers").info("a slot did not take the image", slot=slot.path, why=self._why[slot.path])

    def _raise_outcome(self) -> NoReturn:
        """What waits counts before what may pass, and that before what will not."""
        if waiting := next((refusal for refusal in self._refusals if is_busy(refusal)), None):
            raise waiting
        if len(self._why) == 1 and self._refusals:
            raise self._refusals[0]
        tried = "; ".join(f"slot {path} {why}" for path, why in self._why.items())
        if self._accepted or any(is_passing(refusal) for refusal in self._refusals):
            message = f"no slot of the BMC took {without_image_secret(self.image_url)}: {tried}"
            raise BmcUnavailable(message, reason=FailureReason.MEDIA_REJECTED)
        why = f"no slot of the BMC can take the image: {tried}" if tried else "the BMC has no virtual disc drive"
        raise BmcRejected(f"{why}; {UEFI_HTTP}", reason=FailureReason.MEDIA_REJECTED)


def eject(connection: RedfishConnection, slot: Slot, media_s: float, is_ours: Callable[[str], bool]) -> None:
    """Take our medium out, and see that it is out, or that a person has exchanged it meanwhile.

    Args:
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
    raise BmcUnavailable(message, reason=FailureReason.MEDIA_REJECTED)


def shown_image(slot: Slot) -> str:
    """What the BMC shows of the medium, for people."""
    if slot.is_empty:
        return "nothing"
    return without_image_secret(slot.image) or "a medium without a name"


class _Shown:
    """A slot that is looked at again and again."""

    def __init__(self, connection: RedfishConnection, slot: Slot) -> None:
        self._connection = connection
        self.slot = slot

    def now(self) -> Slot:
        """The slot as it is now."""
        self.slot = self.slot.reread(self._connection)
        return self.slot

    def comes(self, wanted: Callable[[Slot], bool], timeout_s: float) -> bool:
        """Whether the slot becomes as it is wanted, in time."""
        return comes_true(lambda: wanted(self.now()), timeout_s, _LOOK_EVERY_S, self._connection.sleep)


def _ejected(connection: RedfishConnection, shown: _Shown, media_s: float, *, is_last: bool) -> bool:
    """Whether the medium is out. A refusal counts at last, and only while it is in: it may have gone by itself."""
    try:
        follow(connection, _send_eject(connection, shown.slot), media_s)
    except Refusal:
        if is_last and not shown.now().is_empty:
            raise
    return shown.comes(lambda now: now.is_empty, media_s)


def _send(connection: RedfishConnection, slot: Slot, image_url: str) -> Response:
    if slot.insert_action:
        return _post_insert(connection, slot.insert_action, image_url)
    if slot.oem:
        return slot.oem.insert(connection, image_url)
    # Source: sushy; a Lenovo SD530 mounts nothing unless Inserted is said.
    full = {"Image": image_url, "Inserted": True, "WriteProtected": True}
    try:
        return patch_current(connection, slot.resource, full)
    except Refusal as refusal:
        if not (refusal.names("Inserted") or refusal.names("WriteProtected")):
            raise
        return patch_current(connection, slot.resource, {"Image": image_url})


def _send_eject(connection: RedfishConnection, slot: Slot) -> Response:
    if slot.eject_action:
        return connection.post(slot.eject_action.target, {})  # an iLO wants a body, and the others allow one
    if slot.oem:
        return slot.oem.eject(connection)
    return patch_current(connection, connection.get_ahead(slot.path), {"Image": None, "Inserted": False})


def _post_insert(connection: RedfishConnection, action: Action, image_url: str) -> Response:
    """Send the image alone, and what else the BMC asks for: Supermicro refuses every parameter that it does not know.

    What it asks for stands in its ActionInfo, or in its refusal; such a request has changed nothing.
    """
    payload: dict[str, Any] = {"Image": image_url} | _required(connection, action, image_url)
    for _ in range(_MOST_ADDITIONS):
        try:
            return connection.post(action.target, payload)
        except Refusal as refusal:
            wanted = {name: value for name, value in _extras(image_url).items() if refusal.names(name)}
            missing = {name: value for name, value in wanted.items() if name not in payload}
            if not missing or refusal.status_code not in {400, 422}:
                raise
            payload |= _with_password(missing)
    return connection.post(action.target, payload)


def _required(connection: RedfishConnection, action: Action, image_url: str) -> dict[str, Any]:
    """The parameters that the action's own description calls required."""
    info = connection.find_ahead(action.info_path)
    listed = info.value("Parameters") if info else None
    described = listed if isinstance(listed, list) else []
    named = [p.get("Name") for p in described if isinstance(p, Mapping) and p.get("Required")]
    defaults = _extras(image_url) | {"Inserted": True, "WriteProtected": True}
    return {name: value for name, value in defaults.items() if name in named}


def _extras(image_url: str) -> dict[str, str]:
    protocol = image_url.partition(":")[0].upper()
    return {
        "TransferProtocolType": protocol,
        "TransferMethod": "Stream",
        "UserName": _NO_CREDENTIAL,
        "Password": _NO_CREDENTIAL,
    }


def _with_password(missing: dict[str, str]) -> dict[str, str]:
    """One of the two is asked for by name, and the other is wanted with it."""
    if missing.keys() & {"UserName", "Password"}:
        return missing | {"UserName": _NO_CREDENTIAL, "Password": _NO_CREDENTIAL}
    return missing
