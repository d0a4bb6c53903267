"""From a request to a change: the run and its device as they stand, the time, and the store that writes."""

from collections.abc import Callable

from api.http.problems import power_refused, stale, unknown_run
from api.runs.events import Moment
from api.runs.records import Change, KnownDevice, RunRecord
from api.services import services
from bringup.errors import InvalidTransition, PowerRefused


def change_run(run_id: str, compute: Callable[[Moment], Change]) -> Change:
    """Apply ``compute`` to the run as it stands.

    Raises:
        Refusal: there is no such run.
        InvalidTransition, NotYet: from ``compute``.
    """
    given = services()
    refused, now = given.tokens.refused(run_id), given.store.now()

    def at_this_moment(run: RunRecord, device: KnownDevice) -> Change:
        return compute(Moment(run, device, now, given.settings, refused, inventory=given.store.inventory()))

    change = given.store.change_run(run_id, at_this_moment)
    if change is None:
        raise unknown_run()
    return change


def change_run_or_refuse(run_id: str, compute: Callable[[Moment], Change]) -> Change:
    """The same, with what does not apply answered as a conflict."""
    try:
        return change_run(run_id, compute)
    except PowerRefused as error:
        raise power_refused(str(error)) from None
    except InvalidTransition as error:
        raise stale(str(error)) from None
