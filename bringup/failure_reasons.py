"""What each failure reason means, and where to look: for the console, docs/running.md and docs/redfish.md.

``python -m scripts.update_docs`` writes the tables of both pages; a test fails while they differ from this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bringup.model import FailureReason


@dataclass(frozen=True)
class Cause:
    """One way to a failure reason.

    Args:
        happened: what bringup observed.
        look: what to look at, and what to change.
    """

    happened: str
    look: str


@dataclass(frozen=True)
class ReasonText:
    """A failure reason for people.

    Args:
        meaning: in one line.
        look: the first place to look at.
        causes: every way to it, the most frequent first.
    """

    meaning: str
    look: str
    causes: tuple[Cause, ...]


# The texts are Markdown, of which the console knows `code` alone.
EXPLANATIONS: Mapping[FailureReason, ReasonText] = {
    FailureReason.BMC_UNREACHABLE: ReasonText(
        "the BMC did not answer after `BMC_TRIES` tries",
        "its address in `devices.toml`, cabling, its own network",
        (
            Cause(
                "no answer, a 5xx answer, too many sessions, or busy, until the last try",
                "address, VLAN, firewall; `curl -k https://BMC/redfish/v1/`; other tools that leave sessions open; "
                "restart the BMC",
            ),
            Cause("it answered with a redirect", "put the address that it redirects to into the inventory"),
            Cause(
                "it accepted a switch and the machine did not follow in time (`BMC_POWER_SETTLE_S`)",
                "the machine's own console; power supplies",
            ),
        ),
    ),
    FailureReason.BMC_AUTH: ReasonText(
        "the BMC refused the credentials, or its certificate is not trusted",
        "`credential` and `bmc_ca` in `devices.toml`",
        (
            Cause(
                "401 at login: wrong name or password (sent once, so that no account is locked)",
                "the credential's file",
            ),
            Cause("403: the account may not do that", "the account's role"),
            Cause(
                "the credential's file is missing, readable by others, or has another form; the message names it",
                "`ls -l credentials/`",
            ),
            Cause(
                "its certificate is not trusted: it could not prove its identity",
                "`bmc_ca`, `bmc_fingerprint`; was the BMC's certificate renewed? Is the address in it? If neither: "
                "another server may answer in the BMC's place",
            ),
        ),
    ),
    FailureReason.MEDIA_REJECTED: ReasonText(
        "the BMC refused the medium",
        "its virtual media licence or settings",
        (
            Cause("`VALIDATION_IMAGE` is not set", "set it at the API"),
            Cause(
                "it refused the image, or could not fetch it until the last try",
                "with `IMAGE_PORT`: does `bringup images` run? Can the *BMC* reach the address (its network, not "
                "yours)? Does it take https, and that server's certificate? A licence for virtual media?",
            ),
            Cause(
                "the old medium is stuck, or it accepted the image and shows another or none",
                "eject by hand; restart the BMC",
            ),
        ),
    ),
    FailureReason.MEDIA_NOT_READ: ReasonText(
        "powered on, no heartbeat by `BOOT_TIMEOUT_S`, and the image was not read",
        "can the BMC reach `IMAGE_BASE_URL`? Boot order",
        (
            Cause(
                "switched on, no heartbeat by `BOOT_TIMEOUT_S`, and next to nothing of the run's image was read",
                "did it boot from something else? Boot order, boot mode (UEFI or BIOS), secure boot. With "
                "`IMAGE_PORT`: does `bringup images` run? Can the *BMC* reach `IMAGE_BASE_URL`? "
                "`curl -k ADDRESS/api/v1/health` from its network",
            ),
        ),
    ),
    FailureReason.NO_BOOT: ReasonText(
        "powered on, but no heartbeat by `BOOT_TIMEOUT_S`; or it restarts again and again",
        "the machine's console; boot order",
        (
            Cause(
                "the boot override reads back differently after a second try, or is refused",
                "boot mode (UEFI or BIOS), boot override disabled in the BIOS; `boot_method`",
            ),
            Cause("the BMC refused to switch the power", "power lock or policy of the BMC"),
            Cause(
                "switched on, no heartbeat by `BOOT_TIMEOUT_S`, though the image was read, or was not ours to serve",
                "the machine's console",
            ),
            Cause(
                "it started three times or more within one run, without a report",
                "the machine's console: what ends it?",
            ),
        ),
    ),
    FailureReason.NO_NETWORK: ReasonText(
        "heartbeats stopped before the report",
        "links, the lease of the host",
        (
            Cause(
                "the machine sent heartbeats, then none for `HEARTBEAT_LOST_S`, before its report",
                "cable, switch port, the host's lease; did it crash? Its console. A machine that never gets an "
                "address never sends one, and so is a `no_boot`",
            ),
        ),
    ),
    FailureReason.TLS_TRUST: ReasonText(
        "the machine does not trust the API's certificate, and so sent no report",
        "`API_TLS_CA`, `CALLBACK_API_URL`",
        (
            Cause(
                "the machine called, found a certificate that the CA in its image did not sign or that does not name "
                "`CALLBACK_API_URL`'s host, and proved with its token, unsent, that it is this machine",
                "is `API_TLS_CA` of the API what its certificate chains to (`bringup pki verify`, `bringup "
                "selftest`)? Does `bringup pki show api` list the host? If both: another server may answer in the "
                "API's place",
            ),
        ),
    ),
    FailureReason.TLS_CLOCK: ReasonText(
        "by the machine's clock the API's certificate is not valid",
        "the API's certificate, the machine's clock",
        (
            Cause(
                "as `tls_trust`, but the certificate has expired or is not valid yet by the machine's clock, which "
                "the image sets forward to the time at which it was made and never back",
                "`bringup pki show api`; the machine's hardware clock, if it is far in the future: set it in the "
                "firmware",
            ),
        ),
    ),
    FailureReason.CALLBACK_REFUSED: ReasonText(
        "a client called for this run with a wrong token or certificate",
        "a medium of an older run still inserted?",
        (
            Cause(
                "a client called for this run with a wrong token, or, with `API_REQUIRE_CLIENT_CERT=true`, without "
                "this run's certificate; and no report came in time",
                "did the machine boot a medium of an older run? The API's log; which other machine sends from there?",
            ),
        ),
    ),
    FailureReason.CHECK_FAILED: ReasonText(
        "the machine is not what the inventory expects",
        "the verdict in `bringup run show RUN_ID`",
        (
            Cause(
                "the machine reported, and is not what the inventory expects, or a check on it failed",
                "the verdict, line by line; `expected` in the inventory; `bringup run artifact RUN_ID dmesg.log`",
            ),
        ),
    ),
    FailureReason.WORKER_LOST: ReasonText(
        "no worker completed the boot",
        "does `bringup work` run? Its log, and the timeline of the run",
        (
            Cause(
                "the boot was not done by `RUN_TIMEOUT_S`: its worker died and none took over, or the boot job met a "
                "defect of ours",
                "does `bringup work` run? Its log; the timeline shows how far it came",
            ),
            Cause(
                "the timeline shows `no_certificate`: the command `RUN_CERTIFICATE_COMMAND` failed",
                "the API's log has its output",
            ),
        ),
    ),
    FailureReason.WRONG_MACHINE: ReasonText(
        "the machine at the BMC's address is not the one on record; nothing was switched or written",
        "the two values in the detail: address, cabling, `serial` and `uuid` in `devices.toml`",
        (
            Cause(
                "the BMC showed a serial number, UUID or MACs that are not those on record, or that the inventory "
                "gives to another machine; nothing was written to it",
                "the detail has both values. Is the address right? Was the machine moved, or its cable? A new "
                "mainboard: correct `serial`, `uuid` and `nic_macs`, and `bringup device set NAME --forget-identity`",
            ),
            Cause(
                "`bmc_verify = false`, and the BMC shows neither the `serial` nor the `uuid` on record",
                "give it `bmc_ca` or `bmc_fingerprint` instead",
            ),
        ),
    ),
    FailureReason.ABORTED: ReasonText(
        "an operator ended it, or a permit was refused",
        "the detail of the run",
        (
            Cause(
                "an operator ended it, or the device was put in maintenance, in service or out of the inventory, or "
                "got another BMC address, while it booted",
                "the detail has which",
            ),
        ),
    ),
}
