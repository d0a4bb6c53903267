"""What a host posts of its daily self-test, and what the API shows of it."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from bringup.wire.message import Message

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]  # of a check


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
