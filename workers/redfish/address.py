"""What must be known of a BMC to speak to it: a run has it, an entry of the inventory, and the command line."""

from dataclasses import dataclass
from typing import Protocol


class BmcAddress(Protocol):
    """Where a BMC is, and how its certificate is checked; see docs/inventory.md."""

    @property
    def bmc(self) -> str | None:
        """Its URL; may carry the path of one system."""

    @property
    def bmc_ca(self) -> str | None:
        """The file of the CA that signed its certificate."""

    @property
    def bmc_fingerprint(self) -> str | None:
        """SHA-256 of its certificate."""

    @property
    def bmc_verify(self) -> bool:
        """False: any certificate is accepted."""


@dataclass(frozen=True)
class GivenAddress:
    """A `BmcAddress` that stands in no inventory."""

    bmc: str
    bmc_ca: str | None = None
    bmc_fingerprint: str | None = None
    bmc_verify: bool = True
