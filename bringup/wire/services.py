"""How the services of a site are, beyond their queues: what a person on call looks at; and the self-tests of hosts."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from bringup.wire.message import Message

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]  # of a check


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


class SelfTestReport(Message):
    """The result of one self-test.

    Args:
        host: name of the host that has made it.
        passed: whether nothing has failed.
        verdict: as the report of the self-test has it.
        failed: ids of the checks that have failed and are no consequence of another.
        version: of its bringup.
    """

    host: _Name
    passed: bool
    verdict: Annotated[str, Field(pattern=r"^[A-Z ]{1,32}$")]
    failed: Annotated[tuple[_Id, ...], Field(max_length=200)] = ()
    version: Annotated[str, Field(max_length=64)]


class SelfTestView(SelfTestReport):
    """The last result of a host: ``at`` by the API's clock, ``by`` whose certificate it was posted with."""

    at: AwareDatetime
    by: str


class SelfTestList(Message):
    """By name of the host."""

    selftests: tuple[SelfTestView, ...]
