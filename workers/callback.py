"""The callback API as workers use it, in typed calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from bringup.connections.api_client import ApiClient
from bringup.errors import ApiRejected, ApiUnavailable
from bringup.model import FailureReason, LeaseEvent
from bringup.text import printable
from bringup.wire import run as wire

# Characters of a detail, escaped as `bringup.wire.run.RunEvent` has it, which refuses more.
_MAX_DETAIL = 1024


class Callback:
    """The API as a worker sees it.

    Raises:
        ApiUnavailable, ApiRejected: from every method, as `ApiClient` does.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def put_run(self, lease: LeaseEvent) -> wire.RunDecision:
        """Report a lease; the same again is harmless."""
        with _refused_login_waits():
            return self._client.put(f"/runs/{lease.run_id}", lease, wire.RunDecision)

    def run(self, run_id: str) -> wire.RunDetail:
        """A run as it is now."""
        with _refused_login_waits():
            return self._client.get(f"/runs/{run_id}", wire.RunDetail)

    def open_runs(self) -> tuple[wire.Run, ...]:
        """Every run that is not closed, with the jobs that it needs."""
        with _refused_login_waits():
            return self._client.get("/runs?open=true", wire.RunList).runs

    def media(self, run_id: str, owner: str) -> wire.RunMedia:
        """What the machine must boot, with a fresh run token."""
        with _refused_login_waits():
            return self._client.post(f"/runs/{run_id}/media", wire.MediaRequest(owner=owner), wire.RunMedia)

    def post_event(
        self,
        run_id: str,
        what: wire.EventType,
        *,
        owner: str = "",
        detail: str = "",
        reason: FailureReason | None = None,
        identity: wire.MachineIdentity | None = None,
    ) -> wire.RunEventReply:
        """Post a step that was taken, or ask for a permit.

        Args:
            run_id: the run that it is about.
            what: the event.
            owner: the execution that posts; empty: any may.
            detail: the line that the run's timeline shows; cut to 1,024 characters.
            reason: why the run fails, for an event that ends it.
            identity: of the machine, for `machine_identified`.

        Raises:
            ApiRejected: it does not apply any more.
        """
        short = printable(detail)[:_MAX_DETAIL]
        event = wire.RunEvent(type=what, owner=owner, detail=short, reason=reason, identity=identity)
        with _refused_login_waits():
            return self._client.post(f"/runs/{run_id}/events", event, wire.RunEventReply)


@contextmanager
def _refused_login_waits() -> Iterator[None]:
    """A wrong token or certificate of ours waits for an operator: the job is tried again, and is not lost."""
    try:
        yield
    except ApiRejected as error:
        # Without this a renewal of certificates in the wrong order would fail every job for good.
        if error.kind in {"unauthorized", "forbidden"}:
            raise ApiUnavailable(f"{error} (check API_TOKEN, API_CLIENT_CERT)") from error
        raise
