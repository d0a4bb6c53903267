"""One SIMULATED machine: its power, its medium, and the agent that runs on it when it boots from that medium.

Its image is read by its BMC, from the BMC's address, as a real one does.
"""

import http.client
import secrets
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from bringup import backoff, errors, inventory, log, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from bringup.wire import machine
from bringup.wire.message import read_reply
from bringup.wire.run_events import RunMedia
from bringup_cli.simulate.hardware_report import Fault, report_of

_RETRY_S = 2.0  # between the tries of a call that was not answered; short, for a demonstration of a minute
_LEAST_BEAT_S = 1.0  # between two heartbeats, whatever the API asks for, as `agent.heartbeat` has it
_Reply = TypeVar("_Reply")


class SimulatedMachine:
    """A machine that boots when it is switched on with a medium and the override set.

    Args:
        device: its inventory entry.
        fault: how it fails.
        client_of: the API client of a run, with the token in its image, or with another one instead. Raises
            TransientError where the image cannot be read now, PermanentError where it never can.
        powered: called with the machine's name and the run of its medium each time that it is switched on.
        boot_s: seconds from power to the agent's first call.
        check_s: seconds that the agent's checks take.
    """

    def __init__(
        self,
        device: inventory.Device,
        fault: Fault,
        client_of: Callable[[RunMedia, str | None], ApiClient],
        *,
        boot_s: float,
        check_s: float,
        powered: Callable[[str, str | None], None] = lambda *_: None,
    ) -> None:
        self.device = device
        self.fault = fault
        self.power_on_count = 0
        self._client_of = client_of
        self._boot_s = boot_s
        self._check_s = check_s
        self._powered = powered
        # Two requests may switch the power at once. Without the lock both would see it off, and start two agents.
        self._lock = Lock()
        self._off: Event | None = None  # set when the power goes off; None while it is off
        self._media: RunMedia | None = None
        self._override: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether the power is on."""
        return self._off is not None

    def insert(self, media: RunMedia) -> None:
        """Put the medium in."""
        self._media = media

    def eject(self) -> None:
        """Take the medium out."""
        self._media = None

    @property
    def medium_of(self) -> str | None:
        """The run whose medium is in; None: no medium."""
        return self._media.run_id if self._media else None

    @property
    def boot_override(self) -> str | None:
        """What it boots from at the next start; None: as usual."""
        return self._override

    @property
    def identity(self) -> dict[str, object]:
        """What a real BMC would report of the machine."""
        return {"serial": self.device.expectation.serial, "macs": list(self.device.nic_macs)}

    def set_boot_once(self, target: str | None) -> None:
        """What to boot from at the next start; None: as usual."""
        self._override = target

    def switch(self, *, on: bool) -> None:
        """Switch the power; to the state it is in: nothing happens."""
        with self._lock:
            if on == self.is_on:
                return
            if not on:
                self._power_off()
                return
            self.power_on_count += 1
            self._powered(self.device.name, self._media.run_id if self._media else None)
            self._off = Event()
            self._boot(self._off)

    def _power_off(self) -> None:
        if self._off:
            self._off.set()
        self._off = None

    def _boot(self, off: Event) -> None:
        media, override = self._media, self._override
        self._override = None  # "once"
        if media is None or override is None:
            return
        Thread(target=self._agent, args=(media, off), name=self.device.name, daemon=True).start()

    def _agent(self, media: RunMedia, off: Event) -> None:
        instead = secrets.token_urlsafe(32) if self.fault is Fault.BAD_TOKEN else None
        try:
            client = _persist(lambda: self._client_of(media, instead), off)
            if self.fault is Fault.NO_BOOT:
                return  # the image was read, and what was in it did not start
            while client and not off.wait(backoff.spread(self._boot_s, 0.2)):  # machines are not alike
                if not self._live_one_life(client, media.run_id, off):
                    return
        except errors.PermanentError as error:
            log.get("simulate").info("simulated machine was refused", name=self.device.name, why=str(error))

    def _live_one_life(self, client: ApiClient, run_id: str, off: Event) -> bool:
        """From one start to the next; False: there is no next."""
        boot_id, left_s = secrets.token_hex(8), self._check_s
        while True:
            reply = self._heartbeat(client, run_id, boot_id, off)
            if reply is None or reply.command == "abort" or self.fault is Fault.SILENT:
                return False
            # As the agent: the next heartbeat when the API asks for it, which may be after the report.
            pause_s = min(left_s, max(reply.next_s, _LEAST_BEAT_S))
            if off.wait(pause_s):
                return False
            left_s -= pause_s
            if left_s <= 0:
                break
        if self.fault is not Fault.CRASH_LOOP:
            self._report(client, run_id, boot_id, off)
        return self.fault is Fault.CRASH_LOOP

    def _heartbeat(self, client: ApiClient, run_id: str, boot_id: str, off: Event) -> machine.HeartbeatReply | None:
        beat = machine.Heartbeat(boot_id=boot_id, uptime_s=self._boot_s, stage="simulated")
        return _persist(lambda: client.post(f"/runs/{run_id}/heartbeat", beat, machine.HeartbeatReply), off)

    def _report(self, client: ApiClient, run_id: str, boot_id: str, off: Event) -> None:
        report = report_of(self.device, self.fault, boot_id)
        _persist(lambda: client.post(f"/runs/{run_id}/report", report, machine.ReportReply), off)


def _persist(call: Callable[[], _Reply], off: Event) -> _Reply | None:
    """Call until it is answered or the power goes off."""
    while not off.is_set():
        try:
            return call()
        except errors.TransientError:
            off.wait(_RETRY_S)
    return None


def read_parameters(url: str, source: str, settings: Settings, contexts: tls.ClientContexts) -> machine.RunParameters:
    """What the run's machine is given.

    Args:
        url: of the image.
        source: address that it is read from: the API gives the parameters to no other.
        settings: of a client of the API.
        contexts: for https.

    Raises:
        ApiUnavailable: there is no answer, or none yet.
        PermanentError: the run has ended, or this is not the BMC's address on record.
    """
    status, body = _fetch(url, source, settings, contexts)
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        raise errors.ApiUnavailable(f"the image of the run is not served now ({status})")
    if status != http.HTTPStatus.OK:
        raise errors.PermanentError(f"the image of the run is not served ({status}): it has ended or has another one")
    try:
        return read_reply(machine.RunParameters, body)
    except ValidationError:
        raise errors.PermanentError(
            f"the image carries no run: the API gives it to the BMC's address alone, and it was read from {source}"
        ) from None


def _fetch(url: str, source: str, settings: Settings, contexts: tls.ClientContexts) -> tuple[int, bytes]:
    target = urlsplit(url)
    where, from_bmc, timeout_s = (target.hostname or "", target.port), (source, 0), settings.api_timeout_s
    connection = http.client.HTTPConnection(*where, timeout=timeout_s, source_address=from_bmc)
    if target.scheme == "https":
        context = tls.for_api_client(settings, contexts)
        connection = http.client.HTTPSConnection(*where, timeout=timeout_s, source_address=from_bmc, context=context)
    try:
        connection.request("GET", target.path)
        response = connection.getresponse()
        return response.status, response.read(machine.AREA_SIZE)
    except (OSError, http.client.HTTPException) as error:
        raise errors.ApiUnavailable(f"the image of the run cannot be read from {source}: {error}") from None
    finally:
        connection.close()
