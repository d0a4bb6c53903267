"""The feed of changes: what connectors, the console and other followers read instead of asking for everything again."""

import json
from http import HTTPStatus

from flask import Blueprint, Response, request

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.services import services
from api.state import feed
from bringup import log
from bringup.wire import changes as wire
from bringup.wire.operator import DeviceView
from bringup.wire.run import Run

bp = Blueprint("changes", __name__)
# In one response: about 1 MB before compression.
_MOST = 1000
_DEFAULT = 500
# Of the newest: as many as `GET /runs` shows.
_MOST_RUNS = 10_000


@bp.get("/changes")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.FeedPage))
def list_changes() -> Response:
    """The changes after the number ``?since=``, at most ``?limit=``. Answers at once, also when there is none."""
    since, limit = _number("since", 0, at_least=0), min(_number("limit", _DEFAULT, at_least=1), _MOST)
    found = services().store.feed.read(since, limit)
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
    newest = store.feed.read(0, 1).newest
    return body.respond_compressed(
        wire.FeedSnapshot(
            id=newest,
            site=services().settings.site_name,
            runs=tuple(run.view() for run in store.runs(store.newest_runs(_MOST_RUNS))),
            devices=tuple(device.view() for device in store.devices()),
        )
    )


def _shown(found: feed.Feed) -> list[wire.FeedChange]:
    read = [(number, fields, _fields(number, fields)) for number, fields in found.entries]
    store = services().store
    runs: dict[str, Run] = {run.run_id: run.view() for run in store.runs({c["run"] for *_, c in read if "run" in c})}
    names = {change["device"] for *_, change in read if "device" in change}
    devices: dict[str, DeviceView] = {device.record.name: device.view() for device in store.devices(names)}
    return [
        wire.FeedChange(
            id=number,
            at=feed.time_of(fields),
            site=services().settings.site_name,
            who=change.get("who", ""),
            what=change.get("what", "unknown"),
            state=change.get("state", ""),
            detail=change.get("detail", ""),
            run=runs.get(change.get("run", "")),
            device=devices.get(change.get("device", "")),
        )
        for number, fields, change in read
    ]


def _fields(number: int, fields: dict[bytes, bytes]) -> dict[str, str]:
    """One that cannot be read is shown as unknown: a follower counts the numbers, and must not stop at it."""
    try:
        read: dict[str, str] = json.loads(fields[b"change"])
        return {str(name): str(value) for name, value in read.items()}
    except (KeyError, ValueError, AttributeError, RecursionError) as error:
        log.get("api").error("a change in the feed cannot be read", number=number, why=type(error).__name__)
        return {}


def _number(name: str, default: int, *, at_least: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > wire.NUMBER_DIGITS or int(text) < at_least:
        raise problems.invalid(f"{name}: must be a number from {at_least} on")
    return int(text)
