"""The image starts on every kind of machine that we promise, and its agent says which run it serves."""

import shutil
from pathlib import Path

import pytest

from tests.iso.boot.conftest import RUN
from tests.iso.boot.machine import console

OVMF = Path("/usr/share/OVMF")
SERVES = f"bringup: run {RUN}"
NO_LISTENER = "10.0.2.2:9 refuses the connection"  # of an agent that has an address, and a route
BIOS = ["-m", "192"]


def uefi(folder: Path, code: str, variables: str) -> list[str]:
    """A machine with UEFI firmware, and settings of its own to write to."""
    flash = shutil.copyfile(OVMF / variables, folder / "vars.fd")
    return [
        *("-m", "384", "-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF / code}"),
        *("-drive", f"if=pflash,format=raw,unit=1,file={flash}"),
    ]


def usb(image: Path, device: str = "usb-storage") -> list[str]:
    """The image as a BMC's virtual media presents it."""
    drive = ["-drive", f"if=none,id=media,format=raw,readonly=on,file={image}"]
    return ["-device", "qemu-xhci", *drive, "-device", f"{device},drive=media,removable=on,bootindex=0"]


@pytest.mark.parametrize("nic", ["e1000", "e1000e", "virtio-net-pci", "vmxnet3"])
def test_bios_starts_the_run_from_a_cd_in_192_mb_and_gets_an_address(run_image: Path, nic: str) -> None:
    shown = console([*BIOS, "-cdrom", str(run_image), "-nic", f"user,model={nic}"], until=NO_LISTENER)
    assert SERVES in shown


def test_bios_starts_the_run_from_a_usb_drive(run_image: Path) -> None:
    console([*BIOS, *usb(run_image)], until=SERVES)


def test_uefi_starts_the_run_from_a_cd(run_image: Path, tmp_path: Path) -> None:
    machine = uefi(tmp_path, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd")
    shown = console([*machine, "-cdrom", str(run_image), "-nic", "user,model=virtio-net-pci"], until=NO_LISTENER)
    assert SERVES in shown


def test_secure_boot_starts_the_run(run_image: Path, tmp_path: Path) -> None:
    machine = uefi(tmp_path, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd")
    console([*machine, *usb(run_image)], until=SERVES)


def test_the_base_image_reports_that_it_carries_no_run(image: Path) -> None:
    console([*BIOS, "-cdrom", str(image)], until="this image carries no run")
