"""How the services of a site are, beyond their queues: what a person on call looks at."""

from pydantic import AwareDatetime

from bringup.wire.message import Message


class BootGroupView(Message):
    """How many machines of a rack or power circuit boot now, and may."""

    name: str
    booting: int
    limit: int


class BootsView(Message):
    """How many machines boot now, how many wait for that, and how many may at once.

    Args:
        groups: those of the inventory that have a limit of their own, by name.
    """

    booting: int
    waiting: int
    limit: int
    groups: tuple[BootGroupView, ...] = ()


class CertificateView(Message):
    """A certificate that a host uses, as the host has reported it."""

    host: str
    identity: str
    ends: AwareDatetime
    reported_at: AwareDatetime


class ReplicasView(Message):
    """Replicas that follow Redis's master, and that the sentinels know."""

    following: int
    known: int


class ServicesView(Message):
    """What is not of one machine.

    Args:
        version: of the API's host that answers.
        at: by Redis's clock.
        replicas: None: without Sentinel there need be none.
        certificates: by host and identity; hosts report them when they renew (`bringup site`).
    """

    version: str
    at: AwareDatetime
    boots: BootsView
    replicas: ReplicasView | None = None
    certificates: tuple[CertificateView, ...] = ()
