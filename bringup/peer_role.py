"""The role in a certificate, and a client's socket that speaks to a server of one role alone.

Every server of ours has a certificate of the same CA: without this, what listens on the port of Redis with the API's
certificate would be sent the password of Redis.
"""

import ssl
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import Any

from bringup.tls_failures import check_role, refusal


class ServerRole(StrEnum):
    """What a client connects to. Every server of ours has a certificate of the same CA, and only one is meant."""

    REDIS = "redis"
    API = "api"


@cache
def socket_to(role: ServerRole) -> type[ssl.SSLSocket]:
    """A socket whose handshake fails unless the server has ``role``: nothing was sent by then but our certificate.

    Made when it is needed: in the processes of the API the class of sockets is gevent's.
    """

    class RoleCheckingSocket(ssl.SSLSocket):
        def do_handshake(self, *args: Any, **kwargs: Any) -> None:
            super().do_handshake(*args, **kwargs)
            check_role(self.getpeercert(), role)
            presented = self.getpeercert(binary_form=True)
            # Imported here: a connection without TLS needs no cryptography.
            defect_of_server: Callable[[bytes], str | None] = import_module("bringup.certificates").defect_of_server
            if presented and (defect := defect_of_server(presented)):
                raise refusal(f"it is not one of our PKI: {defect}")

    return RoleCheckingSocket
