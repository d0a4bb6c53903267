"""The boot source override: written where this BMC keeps it, read back there, and undone there.

Many BMCs take it on the system itself. Where ``@Redfish.Settings`` names a settings object that holds ``Boot``
(AMI FutureState's ``SD``, iDRAC 10, GB300), it is written there, and the live resource changes at the next boot only.

Source: Redfish schema ComputerSystem (Boot), DSP0266 s.9.10 (Settings resource).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bringup import errors, model
from workers.redfish.connection import RedfishConnection
from workers.redfish.refusal import BmcRefusal
from workers.redfish.resource import Resource

# Properties of ComputerSystem.Boot.
_TARGET, _ENABLED, _MODE = "BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode"
_ALLOWABLE = f"{_TARGET}@Redfish.AllowableValues"
# The names of a disc, of the network and of an address, by boot_method; the first that is allowed is used.
_TARGETS = {"cd": ("Cd", "UsbCd"), "uefi-http": ("UefiHttp",), "pxe": ("Pxe",)}
# Tries at the first place: a write that reads back differently is repeated once.
_TRIES = 2
# HTTP statuses of a resource that does not take the override; the other one may.
_ELSEWHERE = frozenset({400, 403, 404, 405, 501})


@dataclass(frozen=True)
class ShownOverride:
    """What the machine boots next, as one resource shows it."""

    enabled: str
    target: str

    def __str__(self) -> str:
        return f"{self.enabled or 'nothing'}/{self.target or 'nothing'}"


class BootOverride:
    """The boot override of one system.

    Args:
        connection: to its BMC.
        system: as it was just read.
    """

    def __init__(self, connection: RedfishConnection, system: Resource) -> None:
        self._connection = connection
        self._places = list(_places(connection, system))

    @property
    def place(self) -> str:
        """The path of the resource that is written first."""
        return self._places[0].path

    @property
    def mode(self) -> str:
        """The boot mode that is set where it is written; "" where there is none."""
        return self._places[0].text("Boot", _MODE)

    @property
    def shown(self) -> str:
        """What is set now, in each place."""
        return ", ".join(f"{_override(place)} at {place.path}" for place in self._places)

    @property
    def is_usb_cd(self) -> bool:
        """Whether a virtual disc boots under another name than Cd."""
        return self._offered("cd") not in {None, "Cd"}

    def allowed_targets(self) -> tuple[str, ...]:
        """What the BMC lists that it can boot from; () when it lists nothing."""
        return next((found for place in self._places if (found := place.texts("Boot", _ALLOWABLE))), ())

    def target_of(self, boot_method: str) -> str:
        """This BMC's name for what is booted. Raises BmcRejected: no_boot, with the names that it has."""
        if found := self._offered(boot_method):
            return found
        allowed = self.allowed_targets()
        if not allowed:
            return self._wanted(boot_method)[0]
        instead = '; boot_method = "uefi-http" works there' if self._offered("uefi-http") else ""
        raise errors.BmcRejected(
            f"the BMC cannot boot from {boot_method}: it offers {', '.join(allowed)}{instead}",
            reason=model.FailureReason.NO_BOOT,
        )

    def boot_once(self, boot_method: str, image_url: str | None) -> None:
        """Boot from the medium, the image's address or the network at the next start, and only then.

        Raises:
            BmcRejected: no_boot; it reads back differently after a second try: the machine would boot something else.
            BmcRefusal: by each resource that could take it.
        """
        target = self.target_of(boot_method)
        wanted = {_ENABLED: "Once", _TARGET: target}
        if boot_method == "uefi-http":
            wanted["HttpBootUri"] = image_url or ""
        for place in self._each_place_that_takes(wanted):
            if self._is_set(place, target):
                return
        raise errors.BmcRejected(
            f"the boot override was set to Once/{target} and reads back as {self._shown()}",
            reason=model.FailureReason.NO_BOOT,
        )

    def is_ours(self, boot_method: str) -> bool:
        """Whether an override is set, read now, that `restore` would take back."""
        return any(_may_be_ours(place, boot_method) for place in self._reread())

    def restore(self, boot_method: str) -> None:
        """Take back an override of ours that no boot has used; the BMC ends a used one by itself."""
        for place in self._places:
            now = self._connection.get_ahead(place.path)
            if _may_be_ours(now, boot_method):
                self._disable(now)

    def _wanted(self, boot_method: str) -> tuple[str, ...]:
        if boot_method == "cd" and self._is_supermicro:
            # Its Cd is a drive that is not there; only UsbCd is the virtual one. Source: sushy, System.
            return "UsbCd", "Cd"
        return _TARGETS[boot_method]

    def _offered(self, boot_method: str) -> str | None:
        """The BMC's own spelling of the best target that it lists."""
        spelling = {value.casefold(): value for value in self.allowed_targets()}
        found = (spelling.get(name.casefold()) for name in self._wanted(boot_method))
        return next(filter(None, found), None)

    @property
    def _is_supermicro(self) -> bool:
        return any("supermicro" in place.text("Manufacturer").casefold() for place in self._places)

    def _each_place_that_takes(self, wanted: dict[str, str]) -> Iterator[Resource]:
        """Each try that was accepted: twice at the first place, once at the other. Raises BmcRefusal of the last."""
        accepted, last = False, None
        # A BMC may accept the override where it does not count: what was written is read back by the caller.
        for place in [*self._places[:1] * _TRIES, *self._places[1:]]:
            try:
                self._write(place, wanted)
            except BmcRefusal as refusal:
                if refusal.status_code not in _ELSEWHERE:
                    raise
                last = last or refusal
                continue
            accepted = True
            yield place
        if last and not accepted:
            raise last

    def _write(self, place: Resource, wanted: dict[str, str]) -> None:
        """Set it with the mode that is set: without one a Supermicro falls back to Legacy."""
        current = self._connection.get_ahead(place.path)
        mode = current.text("Boot", _MODE)
        if "HttpBootUri" in wanted and mode:
            mode = "UEFI"  # a legacy BIOS cannot boot from an address
        try:
            self._connection.patch(current, {"Boot": wanted | ({_MODE: mode} if mode else {})})
        except BmcRefusal as refusal:
            if not mode or refusal.status_code != 400 or not refusal.names(_MODE):
                raise
            self._connection.patch(self._connection.get_ahead(place.path), {"Boot": wanted})  # without the mode

    def _disable(self, place: Resource) -> None:
        mode = place.text("Boot", _MODE)
        kept = {_MODE: mode} if mode else {}
        try:
            self._connection.patch(place, {"Boot": {_ENABLED: "Disabled"} | kept})
        except BmcRefusal as refusal:
            if refusal.status_code != 400:
                raise
            # Some want a target with it, and refuse the mode.
            self._connection.patch(place, {"Boot": {_ENABLED: "Disabled", _TARGET: "None"}})

    def _is_set(self, place: Resource, target: str) -> bool:
        """Read back where it was written; a BMC that has applied it already shows it on the system."""
        shown = [_override(one) for one in self._reread() if one.path == place.path or one is not place]
        return any(one.enabled == "Once" and one.target.casefold() == target.casefold() for one in shown)

    def _reread(self) -> list[Resource]:
        return [now for place in self._places if (now := self._connection.find(place.path))]

    def _shown(self) -> str:
        return ", ".join(f"{_override(place)} at {place.path}" for place in self._reread())


def _places(connection: RedfishConnection, system: Resource) -> Iterator[Resource]:
    """Where the override may be written, the settings object first where it holds one."""
    settings = connection.find_ahead(system.link("@Redfish.Settings", "SettingsObject"))
    boot = settings.value("Boot") if settings else None
    if settings and isinstance(boot, Mapping) and boot.keys() & {_TARGET, _ENABLED, _ALLOWABLE}:
        yield settings
    yield system


def _may_be_ours(place: Resource, boot_method: str) -> bool:
    """An override to another target, or a permanent one, was set by an administrator: it stays."""
    found = _override(place)
    return found.enabled == "Once" and found.target.casefold() in {one.casefold() for one in _TARGETS[boot_method]}


def _override(place: Resource) -> ShownOverride:
    return ShownOverride(place.text("Boot", _ENABLED), place.text("Boot", _TARGET))
