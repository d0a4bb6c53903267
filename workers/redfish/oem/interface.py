"""What a vendor's own way to put a medium in must be able to do."""

from typing import Protocol

from requests import Response

from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Resource


class OemMedia(Protocol):
    """`insert` and `eject` send and return the answer, whose task the caller follows. All raise Refusal, NoAnswer."""

    @property
    def name(self) -> str:
        """What it is called in messages and in the documentation."""

    def state(self, connection: RedfishConnection) -> Resource:
        """The resource that shows what is in, read now."""

    def insert(self, connection: RedfishConnection, image_url: str) -> Response:
        """Put the image in."""

    def eject(self, connection: RedfishConnection) -> Response:
        """Take it out."""


class OemBoot(Protocol):
    """A vendor's own one-time boot from the virtual disc. Both raise BmcRejected, Refusal, NoAnswer."""

    @property
    def place(self) -> str:
        """The path that is written, for people."""

    def boot_once(self) -> None:
        """Boot the virtual disc at the next start, and only then."""

    def restore(self) -> None:
        """Take it back where no boot has used it."""
