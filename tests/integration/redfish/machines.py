"""What a machine does once it has booted from the image that its BMC was given."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent import tls
from agent.api import Api
from agent.parameters import Parameters
from bringup.connections.api_client import ApiClient
from bringup.wire.operator import AbortRequest
from bringup.wire.run import Run
from tests.integration.agent.site import Booted, Ca, Listener
from tests.unit.agent.tree import Ended


@dataclass(frozen=True)
class Machine:
    """One that was switched on with the image in its drive.

    Args:
        given: the run's parameters, as they are in the image that the BMC fetched.
        folder: for its files.
        operator: who may end its run.
        expired: the API, where it shows a certificate that has expired.
    """

    given: dict[str, Any]
    folder: Path
    operator: ApiClient
    expired: Listener

    def agent(self) -> Booted:
        """The real agent on this hardware of files; it hears no neighbours."""
        return Booted(self.folder, **self.given | {"lldp_wait_s": 0})

    def whose_image_says(self, **other: Any) -> "Machine":
        """The same, with other parameters in its image."""
        return replace(self, given=self.given | other)


Play = Callable[[Machine], object]


def stays_silent(_machine: Machine) -> None:
    """It hangs before it has reached anybody."""


def runs_the_agent(machine: Machine) -> None:
    """Everything as it should be."""
    machine.agent().run()


def trusts_another_ca(machine: Machine) -> None:
    """Its image was made by another installation."""
    machine.whose_image_says(ca_pem=Ca().pem).agent().run()


def meets_an_expired_certificate(machine: Machine) -> None:
    """By its clock, as by everybody's."""
    listener = machine.expired
    machine.whose_image_says(callback_url=listener.url, ca_pem=listener.ca.pem).agent().run()


def bears_another_token(machine: Machine) -> None:
    """It calls and calls, and is refused each time."""
    with suppress(Ended):
        machine.whose_image_says(token="of-another-run").agent().run()


def falls_silent(machine: Machine) -> None:
    """One sign of life, and no other."""
    given = Parameters(**machine.given)
    beat = {"boot_id": "the-only-one", "uptime_s": 1.0, "stage": "network"}
    answer = Api(given, tls.verifying_context(given), given.token).post("heartbeat", beat)
    assert answer.status == 202, answer


def is_aborted(machine: Machine) -> None:
    """The operator ends its run."""
    machine.operator.post(f"/runs/{machine.given['run_id']}/abort", AbortRequest(reason="the wrong rack"), Run)
