"""A real BMC, over Redfish. Source: DSP0266 (protocol), Redfish schema ComputerSystem and VirtualMedia."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sushy import ResetType
from sushy.resources.system.system import System

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.wire import Run, RunMedia
from workers.credentials import read_credential
from workers.identity import MachineIdentity
from workers.own_media import OwnMedia
from workers.permit import Permit
from workers.redfish import drives, override
from workers.redfish.connection import RedfishConnection
from workers.redfish.errors import redfish_errors
from workers.redfish.identity import identity_of


class RedfishBmc:
    """One run's BMC. Nothing is opened before the first question; `close` logs out."""

    def __init__(self, run: Run, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._run = run
        self._settings = settings
        self._sleep = sleep
        self._image_url: str | None = None
        self._opened: RedfishConnection | None = None
        self._logged_in: System | None = None

    def connect(self) -> None:
        """Log in where that is not done, and have a connection ready for the next request."""
        with self._asked_to("connect", refused=FailureReason.BMC_UNREACHABLE):
            self._connection.connect()

    def identity(self) -> MachineIdentity:
        """Which machine this is, by its own words, read now."""
        with self._asked_to("say which machine it is", refused=FailureReason.BMC_UNREACHABLE):
            return identity_of(self._system)

    def power_state(self) -> str:
        """Whether the machine is on, asked now."""
        with self._asked_to("tell the power state", refused=FailureReason.BMC_UNREACHABLE):
            self._system.invalidate()
            self._system.refresh()
            state = self._system.power_state
        if state is None:
            raise BmcUnavailable(f"the BMC at {self._run.bmc} does not know whether the machine is on")
        return str(state.value)

    def eject_media(self, own: OwnMedia, permit: Permit) -> None:
        """Take out our own disc; none is fine."""
        with self._writing(permit, "eject the medium", refused=FailureReason.MEDIA_REJECTED):
            drives.eject(self._system, own, self._sleep)

    def insert_media(self, media: RunMedia, permit: Permit) -> None:
        """Put the image in, where the machine boots from a disc; otherwise only remember its address."""
        if media.image_url is None and self._run.boot_method != "pxe":
            raise BmcRejected(
                "there is no image to boot: set VALIDATION_IMAGE at the API", reason=FailureReason.MEDIA_REJECTED
            )
        self._image_url = media.image_url
        if self._run.boot_method == "cd" and media.image_url:
            with self._writing(permit, f"insert {media.image_url}", refused=FailureReason.MEDIA_REJECTED):
                drives.insert(self._system, media.image_url, self._sleep)

    def set_boot_once(self, boot_method: str, permit: Permit) -> None:
        """Boot the image at the next start, and only then."""
        with self._writing(permit, f"boot once from {boot_method}", refused=FailureReason.NO_BOOT):
            override.boot_once(self._system, boot_method, self._image_url)

    def restore_boot(self, permit: Permit) -> None:
        """Leave no override of ours behind."""
        with self._writing(permit, "restore the boot order", refused=FailureReason.NO_BOOT):
            override.restore(self._system, self._run.boot_method)

    def power_on(self, permit: Permit) -> None:
        """Switch on. Only `workers.power` calls this."""
        self._reset(ResetType.ON, permit)

    def power_off(self, permit: Permit) -> None:
        """Switch off at once. Only `workers.power` calls this."""
        self._reset(ResetType.FORCE_OFF, permit)

    def close(self) -> None:
        """End the session, if there is one."""
        if self._opened:
            self._opened.close()

    def _reset(self, how: ResetType, permit: Permit) -> None:
        with self._writing(permit, f"reset with {how.value}", refused=FailureReason.NO_BOOT):
            self._system.reset_system(how)

    @contextmanager
    def _writing(self, permit: Permit, do: str, *, refused: FailureReason) -> Iterator[None]:
        with self._asked_to(do, refused=refused), self._connection.writing(permit):
            yield

    @contextmanager
    def _asked_to(self, do: str, *, refused: FailureReason) -> Iterator[None]:
        """Errors of the BMC in our words; a busy BMC that will not take the image is the image's failure."""
        _ = self._system
        busy = refused if refused is FailureReason.MEDIA_REJECTED else FailureReason.BMC_UNREACHABLE
        with redfish_errors(self._connection.base, do, refused=refused, busy=busy):
            yield

    # No cached_property: in Python 3.11 it holds one lock for all BMCs of the process, and logging in takes time.
    # https://docs.python.org/3/library/functools.html#functools.cached_property
    @property
    def _connection(self) -> RedfishConnection:
        if self._opened is None:
            credential = read_credential(self._run.credential, self._settings.bmc_credentials_dir)
            self._opened = RedfishConnection(self._run, credential, self._settings)
        return self._opened

    @property
    def _system(self) -> System:
        if self._logged_in is None:
            refused = FailureReason.BMC_UNREACHABLE
            with redfish_errors(self._connection.base, "log in", refused=refused, logging_in=True):
                self._logged_in = self._connection.system()
        return self._logged_in
