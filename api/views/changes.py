"""The feed of changes: what connectors, the console and other followers read instead of asking for everything again."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from itertools import chain

from flask import Blueprint, Response
from pydantic_core import to_json

from api.auth import Auth, requires
from api.http import body, openapi
from api.principal import PrincipalRole, current_principal
from api.runs.states import with_required_jobs
from api.services import services
from api.state import feed
from api.state.batch import Batch
from api.state.lists import DevicePage, RunPage
from bringup import log
from bringup.wire import changes as wire
from bringup.wire.operator import DeviceView
from bringup.wire.queries import ChangesQuery
from bringup.wire.run import Run

bp = Blueprint("changes", __name__)
# In one response: about 1 MB before compression.
_MOST = 1000
# Of the newest: as many as `GET /runs` shows.
_MOST_RUNS = 10_000


@bp.get("/changes")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.FeedPage), query=ChangesQuery)
def list_changes() -> Response:
    """The changes after the number ``?since=``, at most ``?limit=``. Answers at once, also when there is none."""
    query = body.read_query(ChangesQuery)
    since, limit = int(query.since), min(int(query.limit), _MOST)
    found = services().store.feed.read(since, limit)
    if current_principal().role is PrincipalRole.CONSOLE:
        services().followers.saw(current_principal().name, feed.time_of(found.entries[0][1]) if found.entries else None)
    after = found.entries[-1][0] if found.entries else max(since, found.oldest - 1)
    page = wire.FeedPage(changes=tuple(_shown(found)), next=after, oldest=found.oldest, newest=found.newest)
    return body.respond_compressed(page)


@bp.get("/changes/snapshot")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.FeedSnapshot))
def snapshot() -> Response:
    """Every device and the newest runs, with the number of a change after which the feed continues them."""
    store = services().store
    # First: what is changed while the records are read comes again in the feed, and does no harm twice.
    newest, batch = store.feed.read(0, 1).newest, Batch()
    free = store.boot_slots.ask_free(batch)
    services().database.read(batch)
    runs = store.lists.newest_runs(RunPage(_MOST_RUNS), is_slot_free=free())
    head = {"id": newest, "site": services().settings.site_name}
    pieces = body.json_pieces(f'{to_json(head).decode()[:-1]},"runs":', runs, ',"devices":')
    return body.respond_compressed(chain(pieces, body.json_pieces("", store.lists.devices(DevicePage()), "}")))


def _runs(ids: Iterable[str], *, is_slot_free: bool) -> Iterator[Run]:
    """As `GET /runs` shows them."""
    return (with_required_jobs(run, is_slot_free=is_slot_free) for run in services().store.runs(ids))


def _shown(found: feed.Feed) -> list[wire.FeedChange]:
    read = [(number, fields, _entry(number, fields)) for number, fields in found.entries]
    store, batch = services().store, Batch()
    free, withheld = store.boot_slots.ask_free(batch), store.ask_withheld(batch)
    services().database.read(batch)
    ids = {change.run for *_, change in read if change.run}
    runs = {run.run_id: run for run in _runs(ids, is_slot_free=free())}
    names = {change.device for *_, change in read if change.device}
    devices: dict[str, DeviceView] = {one.record.name: one.view() for one in store.devices(names, withheld())}
    return [
        wire.FeedChange(
            id=number,
            at=feed.time_of(fields),
            site=services().settings.site_name,
            who=change.who,
            what=change.what,
            state=change.state,
            detail=change.detail,
            run=runs.get(change.run or ""),
            device=devices.get(change.device or ""),
        )
        for number, fields, change in read
    ]


def _entry(number: int, fields: dict[bytes, bytes]) -> feed.FeedEntry:
    """One that cannot be read is shown as unknown: a follower counts the numbers, and must not stop at it."""
    if entry := feed.entry_of(fields):
        return entry
    log.get("api").error("a change in the feed cannot be read", number=number)
    return feed.FeedEntry("unknown", "")
