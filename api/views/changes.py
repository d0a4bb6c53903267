"""The lists of runs and devices, and the feed of what changes in them.

Connectors, the console and other followers read the feed instead of asking for the lists again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import chain

from flask import Blueprint, Response
from pydantic_core import to_json

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.principal import PrincipalRole, current_principal
from api.services import services
from api.state.batch import Batch
from api.state.documents import Document
from api.state.feed import Feed, NumberedChange
from api.state.feed_entries import FeedEntry
from api.state.pages import DevicePage, RunPage
from bringup import log
from bringup.wire import changes as wire
from bringup.wire.operator import DeviceList
from bringup.wire.queries import ChangesQuery, DeviceQuery, RunQuery
from bringup.wire.run import RunList

bp = Blueprint("changes", __name__)
# In one response: about 1 MB before compression.
_MOST = 1000
# Of the newest: as many as `GET /runs` shows.
_MOST_RUNS = 10_000
# Of the list of runs; all open ones are listed without them.
_FILTERS = frozenset({"after", "state", "device", "reason", "since"})


@bp.get("/changes")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.FeedPage), query=ChangesQuery)
def list_changes() -> Response:
    """The changes after the number ``?since=``, at most ``?limit=``. Answers at once, also when there is none."""
    query = body.read_query(ChangesQuery)
    since, limit = int(query.since), min(int(query.limit), _MOST)
    found = services().store.feed.read(since, limit)
    if current_principal().role is PrincipalRole.CONSOLE:
        services().followers.saw(current_principal().name, found.changes[0].at if found.changes else None)
    after = found.changes[-1].number if found.changes else max(since, found.oldest - 1)
    bounds = to_json({"next": after, "oldest": found.oldest, "newest": found.newest}).decode()
    return body.respond_compressed(body.json_pieces('{"changes":', _shown(found, since), f",{bounds[1:]}"))


@bp.get("/changes/snapshot")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.FeedSnapshot))
def snapshot() -> Response:
    """Every device and the newest runs, with the number of a change after which the feed continues them."""
    store = services().store
    # First: what is changed while the records are read comes again in the feed, and does no harm twice.
    newest, batch = store.feed.read(0, 1).newest, Batch()
    free, first = store.boot_slots.ask_free(batch), store.lists.ask_newest(batch)
    all_devices = store.lists.ask_all_devices(batch)
    services().database.read(batch)
    runs = store.lists.newest_runs(RunPage(_MOST_RUNS), is_slot_free=free(), first=first())
    devices = store.lists.devices(DevicePage(), all_devices())
    head = {"id": newest, "site": services().settings.site_name}
    pieces = body.json_pieces(f'{to_json(head).decode()[:-1]},"runs":', runs, ',"devices":')
    return body.respond_compressed(chain(pieces, body.json_pieces("", devices, "}")))


def _shown(found: Feed, since: int) -> Iterator[Document]:
    """Each change, with its run and its device as the lists show them."""
    read = [(one, _entry(one)) for one in found.changes]
    if not read:
        return
    store, batch = services().store, Batch()
    free, withheld = store.boot_slots.ask_free(batch), store.ask_withheld(batch)
    services().database.read(batch)
    ids = dict.fromkeys(change.run for _, change in read if change.run)
    runs = {run["run_id"]: run for run in store.lists.runs(list(ids), is_slot_free=free())}
    names = [_device_of(change, runs) for _, change in read]
    known = services().feed_devices.of_page(found, since, filter(None, names), withheld())
    devices = {one.record.name: one.view().model_dump(mode="json") for one in known}
    site = services().settings.site_name
    for (one, change), name in zip(read, names, strict=True):
        yield {
            "id": one.number,
            "at": one.at,
            "site": site,
            "who": change.who,
            "what": change.what,
            "state": change.state,
            "detail": change.detail,
            "run": runs.get(change.run or ""),
            "device": devices.get(name),
        }


def _device_of(change: FeedEntry, runs: Mapping[str, Document]) -> str:
    """Its name; empty: there is none, or the run is forgotten that alone names it."""
    return change.device or str(runs.get(change.run or "", {}).get("device", ""))


def _entry(one: NumberedChange) -> FeedEntry:
    """One that cannot be read is shown as unknown: a follower counts the numbers, and must not stop at it."""
    if one.change:
        return one.change
    log.get("api").error("a change in the feed cannot be read", number=one.number)
    return FeedEntry(wire.UNREADABLE, "")


@bp.get("/runs")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, RunList), query=RunQuery, files=(HTTPStatus.NOT_MODIFIED,))
def list_runs() -> Response:
    """The newest runs (``?limit=``), or with ``?open=true`` all that are not closed.

    With ``&waiting=false``, without those that only wait for a boot slot: a worker looks for lost jobs, and they have
    none.
    """
    query, store = body.read_query(RunQuery), services().store
    if query.open == "true" and _FILTERS & query.model_fields_set:
        raise problems.invalid(f"open=true lists all open runs; it takes none of {', '.join(sorted(_FILTERS))}")
    version, is_slot_free = store.list_versions.of_runs()
    page = RunPage(int(query.limit), query.after, query.state, query.device, query.reason, query.since)

    def runs() -> Iterable[Document]:
        if query.open == "false":
            return store.lists.newest_runs(page, is_slot_free=is_slot_free)
        ids = _open_runs(leave_out_waiting=query.waiting == "false" and not is_slot_free)
        return store.lists.runs(ids, is_slot_free=is_slot_free)

    return body.respond_unless_known(version, lambda: body.json_pieces('{"runs":', runs(), "}"))


def _open_runs(*, leave_out_waiting: bool) -> Sequence[str]:
    store = services().store
    waiting = store.boot_slots.waiting() if leave_out_waiting else set()
    return [run_id for run_id in store.open_runs() if run_id not in waiting]


@bp.get("/devices")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, DeviceList), query=DeviceQuery, files=(HTTPStatus.NOT_MODIFIED,))
def list_devices() -> Response:
    """Every device of the inventory, and every one that was seen and is not in it."""
    query, store = body.read_query(DeviceQuery), services().store
    page = DevicePage(
        limit=int(query.limit) if query.limit else None,
        after=query.after or "",
        name=query.name or "",
        state=query.state,
        in_maintenance=query.maintenance and query.maintenance == "true",
        since=query.since,
    )
    return body.respond_unless_known(
        store.list_versions.of_devices(), lambda: body.json_pieces('{"devices":', store.lists.devices(page), "}")
    )
