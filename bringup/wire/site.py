"""What the hosts of a site, the API and the CA's host exchange: renewals, trust, and what each host has.

Source: RFC 7030 (EST) for renewals themselves, whose messages are not JSON.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AwareDatetime, Field

from bringup.wire.message import Message

# Characters. A certificate of an RSA key of 8192 bits with many names is below 8 KiB.
_Pem = Annotated[str, Field(max_length=16 * 1024)]
# Two CAs of a rollover, each vouched for by the other.
_Bundle = Annotated[str, Field(max_length=64 * 1024)]
# A list of 10,000 revoked certificates is below 512 KiB in PEM.
_Lists = Annotated[str, Field(max_length=768 * 1024)]
_Hex = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{1,64}$")]
# NAME.ROLE.bringup.internal, at most 64 characters.
_Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}\.[a-z]{1,20}\.bringup\.internal$")]


class Enrollment(Message):
    """A request for renewal that waits for the CA."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # the name of a file at the CA
    identity: str
    presenter: str  # whose certificate was presented: the same identity, or that of its host
    presenter_serial: str
    request: str  # PKCS #10, PEM
    received_at: AwareDatetime


class EnrollmentList(Message):
    """The oldest first, at most 100."""

    enrollments: tuple[Enrollment, ...]


class EnrollmentDecision(Message):
    """What the CA answers: a certificate in PEM, or why there is none."""

    certificate: _Pem = ""
    reason: Annotated[str, Field(max_length=500)] = ""


class Trust(Message):
    """What every host trusts.

    Args:
        anchors: the CAs, in PEM.
        vouchers: each other CA's certificate of a CA: by it a host that trusts the one may trust the other.
        crl: the lists of revoked certificates, in PEM.
        issuer: subject key identifier of the CA that signs now.
    """

    anchors: _Bundle
    vouchers: _Bundle = ""
    crl: _Lists
    issuer: _Hex


class TrustView(Message):
    """What is published now."""

    published: bool
    issuer: str | None = None


class HeldCertificate(Message):
    """A certificate that a host uses."""

    serial: _Hex
    issuer: _Hex
    ends: AwareDatetime


class Joining(Message):
    """How a host has joined.

    Args:
        id: made when it joined, so that two computers that use one host's file are seen to be two.
        bundle_made_at: when the file was made that it has joined with.
    """

    id: _Hex
    bundle_made_at: AwareDatetime


class HostReport(Message):
    """What a host has now.

    Args:
        anchors: SHA-256 of each CA that it trusts, hexadecimal.
        certificates: by identity.
        join: None: an older version does not report it.
    """

    anchors: Annotated[tuple[_Hex, ...], Field(max_length=8)]
    certificates: Annotated[Mapping[_Name, HeldCertificate], Field(max_length=32)]
    join: Joining | None = None


class HostJoin(Joining):
    """When a host first reported after it had joined, and from which address."""

    at: AwareDatetime
    address: str


class HostView(Message):
    """The last report of a host, the address that it came from, and the first one of each time that it has joined."""

    name: str
    at: AwareDatetime
    address: str = ""
    report: HostReport
    joins: tuple[HostJoin, ...] = ()


class HostViewList(Message):
    """By name."""

    hosts: tuple[HostView, ...]
