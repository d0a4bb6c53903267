"""Virtual media: which drive, what is in it, and whether the BMC did what it accepted.

Source: Redfish schema VirtualMedia (InsertMedia, EjectMedia, Inserted, Image).
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import urlsplit

from sushy import VirtualMediaType
from sushy.exceptions import MissingAttributeError, ResourceNotFoundError
from sushy.resources.manager.virtual_media import VirtualMedia
from sushy.resources.system.system import System

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.text import image_secret, without_image_secret
from workers.own_media import OwnMedia

_DISCS = {VirtualMediaType.CD, VirtualMediaType.DVD}
_LOOKS = 15  # a BMC may fetch the image, or let go of it, after it has answered
_LOOK_EVERY_S = 1.0

Sleep = Callable[[float], None]


def eject(system: System, own: OwnMedia, sleep: Sleep) -> None:
    """Take our own image out of every disc drive; one that is empty, or holds somebody's medium, is left alone.

    Raises:
        BmcUnavailable: a medium is stuck; media_rejected if it stays so.
    """
    for drive in _drives(system):
        for _ in range(2):
            if _is_empty(drive) or not own.owns(str(drive.image or drive.image_name or "")):
                break
            drive.eject_media()
            if _comes(drive, _is_empty, sleep):
                break
        else:
            _raise_not_done(f"the medium in drive {drive.identity} is stuck: it was ejected twice and is still in")


def insert(system: System, image_url: str, sleep: Sleep) -> None:
    """Put the image in, and see that it is in.

    Raises:
        BmcRejected: there is no drive for it.
        BmcUnavailable: accepted and not done; media_rejected if it stays so.
    """
    drive = _empty_drive(_drives(system))
    drive.insert_media(image_url)
    if not _comes(drive, lambda found: _holds(found, image_url), sleep):
        _raise_not_done(f"drive {drive.identity} accepted {image_url} and holds {drive.image or 'nothing'}")


def _empty_drive(drives: list[VirtualMedia]) -> VirtualMedia:
    """The first that holds nothing: what somebody else has put in is not ours to replace."""
    if not drives:
        raise BmcRejected("the BMC has no virtual disc drive", reason=FailureReason.MEDIA_REJECTED)
    for drive in drives:
        if _is_empty(drive):
            return drive
    held = without_image_secret(", ".join(f"{drive.identity}: {drive.image or 'unnamed'}" for drive in drives))
    message = f"a medium that is not ours is in every virtual drive ({held}); eject it at the BMC, then start again"
    raise BmcRejected(message, reason=FailureReason.MEDIA_REJECTED)


def _drives(system: System) -> list[VirtualMedia]:
    """The disc drives, under the system (since VirtualMedia 1.4) or under the manager that it had before."""
    for owner in _owners(system):
        with suppress(MissingAttributeError, ResourceNotFoundError):
            found = [one for one in owner.virtual_media.get_members() if _DISCS & set(one.media_types or ())]
            if found:
                return found
    return []


def _owners(system: System) -> Iterator[Any]:
    yield system
    with suppress(MissingAttributeError):
        yield from system.managers


def _comes(drive: VirtualMedia, wanted: Callable[[VirtualMedia], bool], sleep: Sleep) -> bool:
    for _ in range(_LOOKS):
        drive.invalidate()
        drive.refresh()
        if wanted(drive):
            return True
        sleep(_LOOK_EVERY_S)
    return False


def _is_empty(drive: VirtualMedia) -> bool:
    """The schema lets a BMC leave Inserted out; some keep the name of what was ejected."""
    return not (bool(drive.image) if drive.inserted is None else drive.inserted)


def _holds(drive: VirtualMedia, image_url: str) -> bool:
    """Some BMCs shorten the address that they show; the name of the file is the least they keep.

    The images of all runs have one name: where the secret is shown too, it tells whose it is.
    """
    shown = str(drive.image or drive.image_name or "")
    is_ours = image_secret(shown) in {None, image_secret(image_url)}
    return not _is_empty(drive) and is_ours and _file_name(shown) in {"", _file_name(image_url)}


def _file_name(address: str) -> str:
    return urlsplit(address).path.rpartition("/")[2]


def _raise_not_done(message: str) -> NoReturn:
    raise BmcUnavailable(without_image_secret(message), reason=FailureReason.MEDIA_REJECTED)
