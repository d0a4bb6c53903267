"""The SIMULATED BMC: drives a machine that `bringup simulate` plays. For development, demonstration and tests."""

from typing import Any

import requests

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.wire import RunMedia

_REFUSALS = {401: FailureReason.BMC_AUTH, 403: FailureReason.BMC_AUTH}


class SimulatedBmc:
    """Speaks to one simulated machine.

    Args:
        netloc: host and port where the simulated fleet listens.
        path: the machine's path there.
    """

    def __init__(self, netloc: str, path: str, settings: Settings) -> None:
        self._url = f"http://{netloc}{path}"
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment must not see the run's token
        self._timeout = (settings.bmc_connect_timeout_s, settings.bmc_read_timeout_s)

    def power_state(self) -> str:
        """Whether the simulated machine is on."""
        return str(self._call("GET", "power")["state"])

    def eject_media(self) -> None:
        """Take the simulated medium out."""
        self._call("DELETE", "media")

    def insert_media(self, media: RunMedia) -> None:
        """Put the run's parameters where a real medium would carry them."""
        self._call("PUT", "media", media.model_dump(mode="json"))

    def set_boot_once(self, boot_method: str) -> None:
        """Boot from the medium at the next start."""
        self._call("PUT", "boot-override", {"target": boot_method})

    def restore_boot(self) -> None:
        """A simulated override ends with the boot that uses it."""

    def power_on(self) -> None:
        """Switch the simulated machine on."""
        self._call("PUT", "power", {"state": "On"})

    def power_off(self) -> None:
        """Switch the simulated machine off."""
        self._call("PUT", "power", {"state": "Off"})

    def close(self) -> None:
        """Nothing is kept open."""

    def _call(self, method: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = self._session.request(method, f"{self._url}/{what}", json=body, timeout=self._timeout)
        except requests.RequestException as error:
            raise BmcUnavailable(f"the simulated BMC at {self._url} does not answer") from error
        if response.status_code >= 500:
            raise BmcUnavailable(f"the simulated BMC at {self._url} is busy")
        if not response.ok:
            reason = _REFUSALS.get(response.status_code, FailureReason.MEDIA_REJECTED)
            raise BmcRejected(f"the simulated BMC at {self._url} refused to {method} {what}", reason=reason)
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer
