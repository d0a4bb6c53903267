"""The ways in which a simulated machine can fail."""

from enum import StrEnum


class Fault(StrEnum):
    """One per machine."""

    NONE = "none"
    BMC_UNREACHABLE = "bmc-unreachable"  # the BMC answers 503 to everything
    BMC_AUTH = "bmc-auth"  # the BMC refuses our credentials
    MEDIA_REJECTED = "media-rejected"  # the BMC refuses the medium
    NO_BOOT = "no-boot"  # powers on, and nothing follows
    WRONG_MEMORY = "wrong-memory"  # half of the memory is missing
    WORN_DISK = "worn-disk"  # the first disk is used far beyond its rated endurance
    MISSING_PORT = "missing-port"  # the last network port on record is not there
    OLD_FIRMWARE = "old-firmware"  # the BIOS is not of the expected version
    NARROW_LINK = "narrow-link"  # a PCIe device has fewer lanes than expected
    LINK_DOWN = "link-down"  # one port has no carrier
    SILENT = "silent"  # boots, calls once, and is never heard of again
    BAD_TOKEN = "bad-token"  # noqa: S105 - boots, and calls with a token that is not its own
    CRASH_LOOP = "crash-loop"  # boots, calls, and starts anew, again and again
