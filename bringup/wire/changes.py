"""The feed of changes, as its followers get it."""

from pydantic import AwareDatetime, Field

from bringup.wire.message import Message
from bringup.wire.operator import DeviceView
from bringup.wire.run import Run

# Digits of a change number. More are no number that Redis can count to.
NUMBER_DIGITS = 15
# `what` of a change that the API has and cannot read: it names neither its run nor its device.
UNREADABLE = "unknown"


class FeedChange(Message):
    """One change of a run, a device or the inventory.

    Args:
        id: the change number.
        site: SITE_NAME of the API.
        who: a service or a person by name, ``machine``, or ``api``.
        what: as the timeline of the run or device names it.
        state: of the run then; of the device where there is no run.
        run, device: as they are now; a later change may have come since.
    """

    id: int
    at: AwareDatetime
    site: str
    who: str
    what: str
    state: str = ""
    detail: str = ""
    run: Run | None = None
    device: DeviceView | None = None


class FeedPage(Message):
    """Changes in their order.

    Args:
        next: what to ask for next with ``?since=``.
        oldest: the oldest change that the feed still has. Above ``since`` + 1: changes in between are gone, and only a
            snapshot has what they did.
        newest: the last change.
    """

    changes: tuple[FeedChange, ...] = ()
    next: int
    oldest: int
    newest: int


class FeedSnapshot(Message):
    """Every run and device; changes after ``id`` may be in it already, and are safe to apply again.

    Args:
        id: what to ask for next with ``?since=``.
    """

    id: int
    site: str = ""
    runs: tuple[Run, ...] = Field(default=())
    devices: tuple[DeviceView, ...] = Field(default=())
