"""The lists of runs and devices."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.services import services
from api.state.documents import Document
from api.state.lists import DevicePage, RunPage
from bringup.wire.operator import DeviceList
from bringup.wire.queries import DeviceQuery, RunQuery
from bringup.wire.run import RunList

bp = Blueprint("lists", __name__)
_FILTERS = frozenset({"after", "state", "device", "reason", "since"})


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
