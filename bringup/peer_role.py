"""The role in a certificate, and a client's socket that speaks to a server of one role alone.

Every server of ours has a certificate of the same CA: without this, what listens on the port of Redis with the API's
certificate would be sent the password of Redis.
"""

import re
import ssl
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

_IDENTITY = re.compile(r"([a-z0-9-]+\.([a-z]+))\.bringup\.internal")


class ServerRole(StrEnum):
    """What a client connects to. Every server of ours has a certificate of the same CA, and only one is meant."""

    REDIS = "redis"
    API = "api"


def roles_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The roles in a verified certificate: ``NAME.ROLE.bringup.internal`` among its DNS names.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` returns it.
    """
    return frozenset(identity.rpartition(".")[2] for identity in identities_of(certificate))


def identities_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The identities in a verified certificate, such as ``alice.operator``."""
    names = (value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "DNS")
    return frozenset(match[1] for name in names if (match := _IDENTITY.fullmatch(name)))


@cache
def socket_to(role: ServerRole) -> type[ssl.SSLSocket]:
    """A socket whose handshake fails unless the server has ``role``: nothing was sent by then but our certificate.

    Made when it is needed: in the processes of the API the class of sockets is gevent's.
    """

    class RoleCheckingSocket(ssl.SSLSocket):
        def do_handshake(self, *args: Any, **kwargs: Any) -> None:
            super().do_handshake(*args, **kwargs)
            found = roles_of(self.getpeercert())
            if found != {role}:
                raise _wrong_role(found, role)

    return RoleCheckingSocket


def _wrong_role(found: frozenset[str], wanted: ServerRole) -> ssl.SSLCertVerificationError:
    shown = f"is of role {', '.join(sorted(found))}" if found else "is of no role"
    setting = "REDIS_HOST and REDIS_PORT" if wanted is ServerRole.REDIS else "CALLBACK_API_URL"
    message = f"its certificate {shown}, and {wanted} is expected; check {setting}"
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_message = message
    return error
