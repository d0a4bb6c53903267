"""The lists of runs and devices, as they are shown: JSON documents that are validated only where they must be.

A record of this version is shown as it is stored. One that is not whole, or has a word that only a newer version knows,
is read as `Reader` reads it: tolerantly, and validated.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, NamedTuple

from api.runs import states
from api.runs.records import DeviceRecord, RunRecord, careful_state, recorded_state
from api.state.batch import Asked, Batch, texts
from api.state.documents import DeviceNames, Document, matching, read_documents, wanted_fields
from api.state.feed import change_number
from api.state.pages import DevicePage, RunPage
from api.state.reader import Reader, Withheld
from api.state.redis import Database
from bringup import keys, model
from bringup.inventory import Device, Inventory
from bringup.wire.operator import DeviceView
from bringup.wire.report import CheckStatus
from bringup.wire.run import RunFields

_RUN_FIELDS = wanted_fields(RunRecord, RunFields.model_fields)
_DEVICE_FIELDS = wanted_fields(DeviceRecord, (name for name in DeviceRecord.model_fields if name != "media_sha256"))
_SHOWN = tuple(DeviceView.model_fields)
# Words that this version knows; UNKNOWN is never stored.
_RUN_STATES = frozenset(map(str, model.RunState))
_DECISIONS = frozenset(map(str, model.Decision))
_STATUSES = frozenset(map(str, CheckStatus))
_DEVICE_STATES = {state.value: state for state in model.DeviceState}
# Records that are read at once to fill a page of which a filter leaves out some.
_STEP = 1000


class _AllDevices(NamedTuple):
    """The inventory, which machines are withheld, and the names of all devices."""

    inventory: Inventory
    withheld: Withheld
    names: list[str]


class Lists:
    """Reads lists.

    Args:
        reader: of single records.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database, reader: Reader) -> None:
        self._database = database
        self._reader = reader
        self._names = DeviceNames(database)
        self._entries: tuple[Inventory | None, dict[str, Document]] = (None, {})

    def runs(self, ids: Sequence[str], *, is_slot_free: bool) -> Iterator[Document]:
        """The runs of these ids that are known; one that cannot be read does not hide the others.

        Args:
            is_slot_free: as of `states.with_required_jobs`.
        """
        for run_id, document in read_documents(self._database, keys.run, ids, _RUN_FIELDS):
            if document and _is_plain_run(document):
                yield _with_jobs(document, is_slot_free=is_slot_free)
                continue
            for run in self._reader.runs([run_id]):
                yield states.with_required_jobs(run, is_slot_free=is_slot_free).model_dump(mode="json")

    def newest_runs(
        self, page: RunPage, *, is_slot_free: bool, first: Sequence[str] | None = None
    ) -> Iterator[Document]:
        """A page of the list, newest first.

        Args:
            page: which runs.
            is_slot_free: as of `states.with_required_jobs`.
            first: what `ask_newest` has read already.
        """
        found = (run for ids in self._run_ids(page, first) for run in self.runs(ids, is_slot_free=is_slot_free))
        # By the time at which they began, newest first: so the first one that is too old ends the search.
        return islice(filter(page.takes, takewhile(page.reaches, found)), page.limit)

    def ask_newest(self, batch: Batch) -> Asked[list[str]]:
        """The ids of the first runs of the whole list, read with other things."""
        return batch.ask(texts, "ZREVRANGE", keys.RUNS, 0, _STEP - 1)

    def ask_all_devices(self, batch: Batch) -> Asked[_AllDevices]:
        """What each list of devices begins with, read with other things."""
        inventory, ask_withheld = self._reader.inventory(), self._reader.ask_withheld(batch)
        seen, last = batch.ask(int, "SCARD", keys.DEVICES), batch.ask(change_number, "GET", keys.CHANGE_NUMBER)
        return lambda: _AllDevices(inventory, ask_withheld(), self._names.all(inventory, seen(), last()))

    def devices(self, page: DevicePage, known: _AllDevices | None = None) -> Iterator[Document]:
        """A page of the list, by name.

        Args:
            page: which devices.
            known: what `ask_all_devices` has read already.
        """
        if known is None:
            batch = Batch()
            asked = self.ask_all_devices(batch)
            self._database.read(batch)
            known = asked()
        inventory, withheld, all_names = known
        names = all_names[bisect_right(all_names, page.after) :]
        names = [name for name in names if page.name in name] if page.name else names
        step = _STEP if page.is_filtered else min(page.limit or _STEP, _STEP)
        pages = (names[start : start + step] for start in range(0, len(names), step))
        found = (device for some in pages for device in self._devices(some, inventory, withheld))
        return islice(filter(page.takes, found), page.limit)

    def _devices(self, names: Sequence[str], inventory: Inventory, withheld: Withheld) -> Iterator[Document]:
        entries = self._shown_entries(inventory)
        records = dict(read_documents(self._database, keys.device, names, _DEVICE_FIELDS))
        # What only the reader can read; together, for to read one asks Redis first what is withheld.
        others = [name for name, record in records.items() if not _is_plain_device(record)]
        read = {device.record.name: device for device in self._reader.devices(others)} if others else {}
        for name in names:
            entry, record = inventory.by_name.get(name), records.get(name)
            if name in read:
                shown, seen_mac = read[name].view().model_dump(mode="json"), read[name].record.seen_mac
            elif record and _is_plain_device(record):
                shown, seen_mac = _shown(record, entry, entries.get(name), withheld(name)), record["seen_mac"]
            elif entry and name not in records:
                shown, seen_mac = _shown(_unseen(entry), entry, entries[name], withheld(name)), None
            else:
                continue
            # It was seen as a bare MAC; the inventory knows it under a name now.
            if entry or seen_mac is None or inventory.device_of(seen_mac) is None:
                yield shown

    def _shown_entries(self, inventory: Inventory) -> dict[str, Document]:
        """What is shown of the entries; made once for each content of the file."""
        if self._entries[0] is not inventory:
            self._entries = inventory, {name: _shown_entry(entry) for name, entry in inventory.by_name.items()}
        return self._entries[1]

    def _run_ids(self, page: RunPage, first: Sequence[str] | None = None) -> Iterable[list[str]]:
        index = keys.device_runs(page.device) if page.device else keys.RUNS
        start = self._database.position_after(index, page.after) if page.after else 0
        step = _STEP if page.is_filtered else min(page.limit, _STEP)
        while start is not None:
            ids = list(first) if first is not None else self._database.newest(index, step, start)
            yield self._matching(ids, page)
            start, first = (start + step if len(ids) == step else None), None

    def _matching(self, ids: list[str], page: RunPage) -> list[str]:
        """Those that may be listed. What reads as UNKNOWN is stored in a word that only a newer version knows."""
        state = None if page.state == model.RunState.UNKNOWN else page.state
        return matching(self._database, keys.run, ids, state, page.reason) if state or page.reason else ids


def _is_plain_run(run: Document) -> bool:
    try:
        known = run["state"] in _RUN_STATES and run["decision"] in _DECISIONS
        return known and (run["verdict"] is None or _is_plain_verdict(run["verdict"]))
    except (KeyError, TypeError):  # it is no verdict, or no word
        return False


def _is_plain_verdict(verdict: Document) -> bool:
    return verdict["state"] in _RUN_STATES and all(check["status"] in _STATUSES for check in verdict["checks"])


def _with_jobs(run: Document, *, is_slot_free: bool) -> Document:
    waits = run["state"] == model.RunState.QUEUED and run["boot_slot"] == "waits" and not is_slot_free
    jobs = (
        [] if run["closed_at"] or waits else [str(kind) for kind in states.required_jobs(model.RunState(run["state"]))]
    )
    run["required_jobs"] = run["owes"] = jobs
    return run


def _is_plain_device(record: Document | None) -> bool:
    return record is not None and isinstance(record["state"], str) and record["state"] in _DEVICE_STATES


def _shown_entry(entry: Device) -> Document:
    return {
        "macs": entry.macs,
        "in_inventory": True,
        **{name: getattr(entry, name) for name in ("bmc", "bmc_ca", "bmc_fingerprint", "bmc_verify", "boot_group")},
    }


def _unseen(entry: Device) -> dict[str, Any]:
    return DeviceRecord(name=entry.name, state=entry.state).model_dump(mode="json")


def _shown(record: Document, entry: Device | None, shown_entry: Document | None, withheld: str | None) -> Document:
    """As `KnownDevice.view` shows it."""
    state = _DEVICE_STATES[record["state"]]
    by_entry = entry.state if entry else None
    shown = dict.fromkeys(_SHOWN)
    shown |= {name: record[name] for name in ("name", "ip", "active_run", "last_run", "last_seen_at", "identity")}
    shown["product"] = record.get("product")  # a record of an earlier version has none
    shown |= shown_entry or {
        "macs": [record["seen_mac"]] if record["seen_mac"] else [],
        "in_inventory": False,
        "bmc_verify": True,
    }
    recorded = recorded_state(state, by_entry, unapproved=record["unapproved"])
    shown["state"] = careful_state(recorded, by_entry).value
    shown["maintenance"] = (entry.maintenance if entry else None) or record["maintenance"] or withheld
    return shown
