"""A real BMC, over Redfish. Source: DSP0266 (protocol), Redfish schema ComputerSystem and VirtualMedia."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bringup import errors, model
from bringup.settings import Settings
from bringup.wire.run import Run
from bringup.wire.run_events import RunMedia
from workers.bmc import OwnMedia, Permit, PowerState, ReportedIdentity
from workers.redfish import connection, error_mapping, login, machine, transport, virtual_media


class RedfishBmc:
    """One run's BMC, by `workers.bmc.Bmc`. Nothing is opened before the first request; `close` logs out.

    Args:
        run: names the BMC, its credential and the machine.
        settings: bound requests and waiting, in seconds; name the folder of credentials.
        sleep: waits for so many seconds.
        measured: is given the seconds until each request was answered, or given up.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        measured: transport.Measured = transport.unmeasured,
    ) -> None:
        self._run = run
        self._settings = settings
        self._sleep = sleep
        self._measured = measured
        self._image_url: str | None = None
        self._opened: connection.RedfishConnection | None = None
        self._login: login.Login | None = None
        self._known: machine.RedfishMachine | None = None
        self._insertion: virtual_media.Insertion | None = None

    @property
    def power_settle_s(self) -> float:
        """By the machine's model; BMC_POWER_SETTLE_S overrides it."""
        return self._machine.timing.power_settle_s

    def connect(self) -> None:
        """Log in where that is not done, read what a write needs, and have a connection ready for the next request.

        Raises:
            BmcRejected: wrong_machine; another machine answers than at the login.
        """
        with self._asked_to("connect", refused=model.FailureReason.BMC_UNREACHABLE):
            # Before each permit: the BMC at this address may have been exchanged since the login.
            self._machine.require_same()
            if self._run.boot_method == "cd":
                self._machine.read_slots()
            self._connection.connect()

    def identity(self) -> ReportedIdentity:
        """Which machine this is, as the BMC reports it, read now."""
        with self._asked_to("report which machine it is", refused=model.FailureReason.BMC_UNREACHABLE):
            self._machine.forget_slots()  # a person may exchange a medium while this is read
            return self._machine.identity()

    def power_state(self) -> str:
        """Whether the machine is on, read now."""
        with self._asked_to("report the power state", refused=model.FailureReason.BMC_UNREACHABLE):
            return self._machine.power_state()

    def holds_media(self, own: OwnMedia) -> bool:
        """Whether one of our own discs is in, as the slots were read last: before each permit, and after each write."""
        with self._asked_to("report its media", refused=model.FailureReason.MEDIA_REJECTED):
            return any(not slot.is_empty and own.owns(slot.image) for slot in self._machine.read_slots())

    def has_boot_override(self) -> bool:
        """Whether a one-time boot override is set that may be ours, read now."""
        with self._asked_to("report its boot order", refused=model.FailureReason.NO_BOOT):
            oem = self._machine.oem_boot(self._run.boot_method)
            return bool(oem and oem.is_set()) or self._machine.boot_override().is_ours(self._run.boot_method)

    def eject_media(self, own: OwnMedia, permit: Permit) -> None:
        """Take out our own disc; none is fine."""
        with self._writing(permit, "eject the medium", refused=model.FailureReason.MEDIA_REJECTED):
            # Slots are read again after a write, also after one that failed: it may have been done all the same.
            try:
                for slot in self._machine.read_slots():
                    if not slot.is_empty and own.owns(slot.image):
                        virtual_media.eject(self._connection, slot, self._machine.timing.media_s, own.owns)
            finally:
                self._machine.forget_slots()

    def insert_media(self, media: RunMedia, permit: Permit) -> None:
        """Put the image in, where the machine boots from a disc; otherwise only remember its address.

        Raises:
            BmcRejected: there is no image.
            BmcUnavailable: the BMC does not do it now.
        """
        if media.image_url is None and self._run.boot_method != "pxe":
            raise errors.BmcRejected(
                "there is no image to boot: set VALIDATION_IMAGE at the API", reason=model.FailureReason.MEDIA_REJECTED
            )
        self._image_url = media.image_url
        if self._run.boot_method == "cd" and media.image_url:
            with self._writing(permit, f"insert {media.image_url}", refused=model.FailureReason.MEDIA_REJECTED):
                self._insert(media.image_url)

    def set_boot_once(self, boot_method: str, permit: Permit) -> None:
        """Boot the image at the next start, and only then."""
        with self._writing(permit, f"boot once from {boot_method}", refused=model.FailureReason.NO_BOOT):
            if oem := self._machine.oem_boot(boot_method):
                oem.boot_once()
            else:
                self._machine.boot_override().boot_once(boot_method, self._image_url)

    def restore_boot(self, permit: Permit) -> None:
        """Take back a boot override that is ours and was not used."""
        with self._writing(permit, "restore the boot order", refused=model.FailureReason.NO_BOOT):
            if oem := self._machine.oem_boot(self._run.boot_method):
                oem.restore()
            self._machine.boot_override().restore(self._run.boot_method)

    def power_on(self, permit: Permit) -> None:
        """Switch on. Only `workers.guard.Power` calls this."""
        self._switch(PowerState.ON, permit)

    def power_off(self, permit: Permit) -> None:
        """Switch off at once. Only `workers.guard.Power` calls this."""
        self._switch(PowerState.OFF, permit)

    def close(self) -> None:
        """End the session, if there is one."""
        if self._login:
            self._login.close()
        if self._opened:
            self._opened.close()

    def _switch(self, wanted: PowerState, permit: Permit) -> None:
        with self._writing(permit, f"switch {wanted.lower()}", refused=model.FailureReason.NO_BOOT):
            self._machine.switch(wanted)

    def _insert(self, image_url: str) -> None:
        """After a permit that ran out midway the same insertion continues: it knows which slots have refused."""
        try:
            self._insertion_of(image_url).run()
        except errors.PermitExpired:
            raise  # nothing was sent: the same insertion continues with the next permit
        except Exception:
            self._insertion = None
            raise
        finally:
            self._machine.forget_slots()

    def _insertion_of(self, image_url: str) -> virtual_media.Insertion:
        if self._insertion is None or self._insertion.image_url != image_url:
            slots = self._machine.usable_slots()
            timing = self._machine.timing
            ca = virtual_media.image_server_ca(self._settings)
            self._insertion = virtual_media.Insertion(self._connection, slots, image_url, timing.media_s, ca_pem=ca)
        return self._insertion

    @contextmanager
    def _writing(self, permit: Permit, do: str, *, refused: model.FailureReason) -> Iterator[None]:
        with self._asked_to(do, refused=refused), self._connection.writing(permit):
            yield

    @contextmanager
    def _asked_to(self, do: str, *, refused: model.FailureReason) -> Iterator[None]:
        """Translate errors of the BMC; a busy one that does not take the image counts as a failure of the image."""
        # Logs in, where that is not done: its errors are the login's, and not those of what is asked for.
        _ = self._machine
        busy = refused if refused is model.FailureReason.MEDIA_REJECTED else model.FailureReason.BMC_UNREACHABLE
        with error_mapping.redfish_errors(self._connection.base, do, refused=refused, busy=busy):
            yield

    # No cached_property: Python 3.11 has one lock for all BMCs of the process, and logging in takes time.
    # https://docs.python.org/3/library/functools.html#functools.cached_property
    @property
    def _connection(self) -> connection.RedfishConnection:
        if self._opened is None:
            self._opened = connection.RedfishConnection(
                self._run, self._settings, sleep=self._sleep, measured=self._measured
            )
        return self._opened

    @property
    def _machine(self) -> machine.RedfishMachine:
        if self._known is None:
            refused = model.FailureReason.BMC_UNREACHABLE
            credential = login.read_credential(self._run.credential, self._settings.bmc_credentials_dir)
            self._login = login.Login(self._connection, credential)
            with error_mapping.redfish_errors(self._connection.base, "log in", refused=refused, logging_in=True):
                root = self._login.open()
                self._known = machine.RedfishMachine.of(
                    self._connection, root, self._settings, serial=self._run.serial, uuid=self._run.uuid
                )
        return self._known
