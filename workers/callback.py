"""What workers say to the callback API, in typed calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from bringup.connections.api_client import ApiClient
from bringup.errors import ApiRejected, ApiUnavailable
from bringup.model import FailureReason, LeaseEvent
from bringup.text import printable
from bringup.wire.run import (
    EventType,
    MachineIdentity,
    MediaRequest,
    Run,
    RunDecision,
    RunDetail,
    RunEvent,
    RunEventReply,
    RunList,
    RunMedia,
)

_LONGEST = 1024  # characters of a detail, escaped as `bringup.wire.run.RunEvent` has it


class Callback:
    """The API as a worker sees it. Raises what `ApiClient` raises."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def put_run(self, lease: LeaseEvent) -> RunDecision:
        """Tell of a lease; the same again is harmless."""
        with _waiting_for_a_person():
            return self._client.put(f"/runs/{lease.run_id}", lease, RunDecision)

    def run(self, run_id: str) -> RunDetail:
        """A run as it stands."""
        with _waiting_for_a_person():
            return self._client.get(f"/runs/{run_id}", RunDetail)

    def open_runs(self) -> tuple[Run, ...]:
        """Every run that is not closed, with the jobs that it owes."""
        with _waiting_for_a_person():
            return self._client.get("/runs?open=true", RunList).runs

    def media(self, run_id: str, owner: str) -> RunMedia:
        """What the machine is to boot, with a fresh run token."""
        with _waiting_for_a_person():
            return self._client.post(f"/runs/{run_id}/media", MediaRequest(owner=owner), RunMedia)

    def tell(
        self,
        run_id: str,
        what: EventType,
        *,
        owner: str = "",
        detail: str = "",
        reason: FailureReason | None = None,
        identity: MachineIdentity | None = None,
    ) -> RunEventReply:
        """Tell of a step, or ask leave for it. Raises ApiRejected when it does not apply any more."""
        event = RunEvent(type=what, owner=owner, detail=printable(detail)[:_LONGEST], reason=reason, identity=identity)
        with _waiting_for_a_person():
            return self._client.post(f"/runs/{run_id}/events", event, RunEventReply)


@contextmanager
def _waiting_for_a_person() -> Iterator[None]:
    """A wrong token or certificate of ours is mended by a person; until then the job waits, and is not lost."""
    try:
        yield
    except ApiRejected as error:
        if error.kind in {"unauthorized", "forbidden"}:
            raise ApiUnavailable(f"{error} (check API_TOKEN, API_CLIENT_CERT)") from error
        raise


def is_stale(error: ApiRejected) -> bool:
    """The run has moved on without us: nothing is left to do, and nothing is wrong."""
    return error.kind in {"stale", "unknown_run"}
