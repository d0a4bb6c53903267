"""The SIMULATED BMC: drives a machine that `bringup simulate` plays. For development, demonstration and tests."""

import http.client
import json
from http import HTTPStatus
from typing import Any

from bringup import errors, model
from bringup.settings import Settings
from bringup.wire.run_events import RunMedia
from workers.bmc import OwnMedia, Permit, ReportedIdentity

# What a refusal means for the run, by HTTP status; any other refuses the medium.
_REFUSALS = {401: model.FailureReason.BMC_AUTH, 403: model.FailureReason.BMC_AUTH}


class SimulatedBmc:
    """Drives one simulated machine.

    Args:
        netloc: host and port where the simulated fleet listens.
        path: the machine's path there.
        settings: bound each request, in seconds.
    """

    def __init__(self, netloc: str, path: str, settings: Settings) -> None:
        self._url = f"http://{netloc}{path}"
        self._path = path
        # Not requests, as the driver of real BMCs: it would be half of what a worker does in a simulated site.
        self._connection = http.client.HTTPConnection(netloc, timeout=settings.bmc_read_timeout_s)

    @property
    def power_settle_s(self) -> float:
        """A simulated machine is quick."""
        return 20.0

    def connect(self) -> None:
        """A simulated BMC is always ready, and knows no sessions."""

    def identity(self) -> ReportedIdentity:
        """What the inventory has of the simulated machine: it is never another."""
        found = self._call("GET", "identity")
        return ReportedIdentity(serial=found.get("serial"), macs=tuple(found.get("macs", ())))

    def power_state(self) -> str:
        """Whether the simulated machine is on."""
        return str(self._call("GET", "power")["state"])

    def holds_media(self, own: OwnMedia) -> bool:
        """Whether the simulated medium that is in is this run's."""
        return self._call("GET", "media").get("run_id") == own.run_id

    def has_boot_override(self) -> bool:
        """Whether an override is set that no start has used."""
        return self._call("GET", "boot-override").get("target") is not None

    def insert_media(self, media: RunMedia, permit: Permit) -> None:
        """Put the run's image in."""
        self._write(permit, "PUT", "media", media.model_dump(mode="json"))

    def eject_media(self, own: OwnMedia, permit: Permit) -> None:
        """Take the simulated medium out, if it is this run's."""
        if self.holds_media(own):
            self._write(permit, "DELETE", "media")

    def set_boot_once(self, boot_method: str, permit: Permit) -> None:
        """Boot from the medium at the next start."""
        self._write(permit, "PUT", "boot-override", {"target": boot_method})

    def restore_boot(self, permit: Permit) -> None:
        """Take an override back that no start has used."""
        self._write(permit, "PUT", "boot-override", {"target": None})

    def power_on(self, permit: Permit) -> None:
        """Switch the simulated machine on."""
        self._write(permit, "PUT", "power", {"state": "On"})

    def power_off(self, permit: Permit) -> None:
        """Switch the simulated machine off."""
        self._write(permit, "PUT", "power", {"state": "Off"})

    def close(self) -> None:
        """End the connection, if there is one."""
        self._connection.close()

    def _write(self, permit: Permit, method: str, what: str, body: dict[str, Any] | None = None) -> None:
        permit.require()  # as the gate of a real BMC's connection does
        self._call(method, what, body)

    def _call(self, method: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        status, content = self._exchange(method, what, body)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise errors.BmcUnavailable(f"the simulated BMC at {self._url} is busy")
        if status >= HTTPStatus.BAD_REQUEST:
            reason = _REFUSALS.get(status, model.FailureReason.MEDIA_REJECTED)
            raise errors.BmcRejected(f"the simulated BMC at {self._url} refused to {method} {what}", reason=reason)
        answer: dict[str, Any] = json.loads(content) if content else {}
        return answer

    def _exchange(self, method: str, what: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        data, headers = (None, {}) if body is None else (json.dumps(body), {"Content-Type": "application/json"})
        try:
            self._connection.request(method, f"{self._path}/{what}", data, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # or the next request would be refused, for this one has no answer
            raise errors.BmcUnavailable(f"the simulated BMC at {self._url} does not answer") from error
