"""The devices in the pages of the feed.

Of a run's changes half do not write its device, and each page would read it. So a record is kept from page to page, and
read again when the feed names it: an entry that names a run alone has written no device. Only a follower that asks this
process again and again gains by it; any other page is read as if nothing were kept.
"""

from collections.abc import Iterable
from threading import Lock

from api.runs.records import DeviceRecord, KnownDevice
from api.state.feed import Feed
from api.state.reader import Reader, Withheld

# Records that are kept, of 2 kB each: above the machines that boot at the same time.
_MOST = 2000


class FeedDevices:
    """Reads devices for pages of the feed.

    Args:
        reader: of single records.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # Without it a page could keep a record that was read before another page has dropped it.
        self._lock = Lock()
        self._records: dict[str, DeviceRecord] = {}
        self._covered = 0  # each change up to this number that has written one of the records is in it

    def of_page(self, page: Feed, since: int, names: Iterable[str], withheld: Withheld) -> list[KnownDevice]:
        """The devices of these names that are known, as they are at the last change of a page, or later.

        Args:
            page: of the feed.
            since: the number after which it begins.
            names: of the devices.
            withheld: why a machine must not be touched, by its name.
        """
        with self._lock:
            self._drop_written(page, since)
            wanted = set(names)
            read = self._reader.devices(wanted - self._records.keys(), withheld)
            kept = wanted & self._records.keys()
            known = [self._reader.known_device(name, self._records[name], withheld) for name in kept]
            self._records |= {device.record.name: device.record for device in read}
            self._covered = max([self._covered, *(one.number for one in page.changes)])
            return [*known, *read]

    def _drop_written(self, page: Feed, since: int) -> None:
        unread = [one.change for one in page.changes if one.number > self._covered]
        # What is between this page and the last one was not seen; or Redis holds an older state than before.
        if since > self._covered or page.newest < self._covered or None in unread or len(self._records) > _MOST:
            self._records, self._covered = {}, 0
        for change in unread:
            self._records.pop(change.device or "" if change else "", None)
