"""How the certificate of a BMC is checked: by its CA file, by its fingerprint, by public CAs, or not at all."""

import os
from typing import Any

from bringup import log
from bringup.errors import BmcRejected
from bringup.model import FailureReason
from workers.redfish.address import BmcAddress
from workers.redfish.bounded import BoundedAdapter
from workers.redfish.gate import Gate


def verify_of(address: BmcAddress) -> bool | str:
    """What requests is to verify with. A switched-off check is told each time: nobody must forget it.

    Raises:
        BmcRejected: the CA file cannot be read.
    """
    if not address.bmc_verify:
        log.get("workers").warning("INSECURE: this BMC's certificate is not checked (bmc_verify)", bmc=address.bmc)
        return False
    if address.bmc_fingerprint:
        return False  # the adapter compares the certificate itself, whoever signed it
    if address.bmc_ca and not os.access(address.bmc_ca, os.R_OK):
        message = (
            f"the CA file {address.bmc_ca} of the BMC at {address.bmc} cannot be read; see bmc_ca in the inventory"
        )
        raise BmcRejected(message, reason=FailureReason.BMC_AUTH)
    return address.bmc_ca or True


def adapter_of(address: BmcAddress, longest_s: float, gate: Gate) -> BoundedAdapter:
    """The transport for the BMC at ``address``.

    Args:
        longest_s: for the body of one answer.
        gate: what every request passes.
    """
    if address.bmc_fingerprint:
        return _PinnedAdapter(address.bmc_fingerprint, longest_s, gate)
    return BoundedAdapter(longest_s, gate)


class _PinnedAdapter(BoundedAdapter):
    """Accepts one certificate and no other; it is compared before the request is sent."""

    def __init__(self, sha256: str, longest_s: float, gate: Gate) -> None:
        self._sha256 = sha256
        super().__init__(longest_s, gate)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, assert_fingerprint=self._sha256, **kwargs)
