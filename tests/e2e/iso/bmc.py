"""A BMC: sushy-tools' Redfish emulator over HTTPS, whose power state is a QEMU process.

What the machine boots, and whether it boots at all, follows from the requests over Redfish: the medium that the
emulator fetched, and the boot override, used up by one start.

Run by the rack: ``python -m tests.e2e.iso.bmc FOLDER``, in the BMC's network namespace.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

import bcrypt
from sushy_tools.emulator import main as emulator  # type: ignore[import-untyped]
from sushy_tools.emulator.resources.systems import fakedriver  # type: ignore[import-untyped]
from werkzeug.serving import run_simple

from bringup.wire.machine import AREA_SIZE
from tests.e2e.iso.lab import BMC_PASSWORD, BMC_USER
from tests.integration.redfish.emulator import WRITES, Front, end_with, uuid_of

_DISK_BYTES = 1_100_000_000


class Machine:
    """What the BMC sits on: one QEMU at a time."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        disk = folder / "disk.raw"
        disk.touch()
        os.truncate(disk, _DISK_BYTES)

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def switch_on(self, medium: Path | None) -> None:
        if not self.is_on:
            with (self._folder / "qemu.log").open("ab") as log:
                self._process = subprocess.Popen(self._command(medium), stdout=log, stderr=log)

    def switch_off(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def _command(self, medium: Path | None) -> list[str]:
        given = self._settings
        drive = f"file={self._folder / 'disk.raw'},format=raw,if=none,id=d0,file.locking=off"
        network = f"tap,id=n0,ifname={given['tap']},script=no,downscript=no"
        boot = ["-drive", f"file={medium},format=raw,media=cdrom,read-only=on", "-boot", "d"] if medium else []
        return [
            "ip", "netns", "exec", given["network"], "qemu-system-x86_64", "-accel", "tcg", "-smp", "1",
            "-m", str(given["memory_mb"]), "-display", "none", "-monitor", "none", "-no-reboot",
            "-serial", f"file:{self._folder / 'console.log'}", "-smbios", f"type=1,serial=SN-{given['tap']}",
            "-drive", drive, "-device", "ide-hd,drive=d0,bus=ide.0,serial=DISK0",
            "-netdev", network, "-device", f"{given['nic']},netdev=n0,mac={given['nic_mac']}", *given["qemu"], *boot,
        ]  # fmt: skip


class QemuDriver(fakedriver.FakeDriver):  # type: ignore[misc]
    """The emulator's fake system, but its power is real."""

    front: Front
    machine: Machine
    settings: dict[str, Any]

    def get_power_state(self, identity: str) -> str:
        return "On" if self.machine.is_on else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        if state in {"On", "ForceOn"}:
            self.machine.switch_on(self._medium(identity))
        elif state in {"ForceOff", "GracefulShutdown"}:
            self.machine.switch_off()
        else:
            raise NotImplementedError(state)

    def _medium(self, identity: str) -> Path | None:
        """The disc, when the machine is to boot from it this once."""
        override = self.front.overrides[identity]
        once = (override["BootSourceOverrideEnabled"], override["BootSourceOverrideTarget"]) == ("Once", "Cd")
        override["BootSourceOverrideEnabled"] = "Disabled"
        path, _, inserted = self.get_boot_image(identity, "Cd")
        if not (once and inserted):
            return None
        if self.settings["foreign_ca"]:
            _exchange_ca(Path(path), self.settings["area_offset"], self.settings["foreign_ca"])
        return Path(path)


def _exchange_ca(image: Path, offset: int, ca_pem: str) -> None:
    """The image as another installation would have made it: right but for the CA inside."""
    with image.open("r+b") as stream:
        stream.seek(offset)
        parameters = json.loads(stream.read(AREA_SIZE))
        stream.seek(offset)
        stream.write(json.dumps(parameters | {"ca_pem": ca_pem}).encode().ljust(AREA_SIZE))


def _end(machine: Machine) -> NoReturn:
    machine.switch_off()
    os._exit(0)


def serve(folder: Path) -> None:
    """Serve until killed; the machine goes off with its BMC."""
    tempfile.tempdir = str(folder)  # the images that it fetches, each with a key in it, go with the folder
    settings = json.loads((folder / "bmc.json").read_text())
    users = folder / "users"
    users.write_text(f"{BMC_USER}:{bcrypt.hashpw(BMC_PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    machine = Machine(folder, settings)
    uuid = uuid_of(int(settings["nic_mac"].replace(":", ""), 16) & 0xFF)  # no two machines have one
    fakedriver.FakeDriver = QemuDriver
    emulator.app.configure(
        extra_config={
            "SUSHY_EMULATOR_FAKE_DRIVER": True,
            "SUSHY_EMULATOR_FAKE_SYSTEMS": [
                {"uuid": uuid, "name": "fake", "power_state": "Off", "nics": [{"mac": settings["nic_mac"]}]}
            ],
            "SUSHY_EMULATOR_STATE_DIR": str(folder),
            "SUSHY_EMULATOR_AUTH_FILE": str(users),
            "SUSHY_EMULATOR_VMEDIA_VERIFY_SSL": True,  # as a BMC that was given our CA (REQUESTS_CA_BUNDLE)
        }
    )
    QemuDriver.machine, QemuDriver.settings = machine, settings
    emulator.app.systems.set_boot_image(uuid, "Cd")
    QemuDriver.front = Front(emulator.app, folder / WRITES)
    signal.signal(signal.SIGTERM, lambda *_: _end(machine))
    certificate = (str(folder / "bmc.pem"), str(folder / "bmc.key"))
    run_simple("0.0.0.0", 443, QemuDriver.front, threaded=True, ssl_context=certificate)  # noqa: S104 - it has no address yet


if __name__ == "__main__":
    Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    serve(Path(sys.argv[1]))
