"""What the unit of renewals cannot do, tried from within it: it has the keys of all services in its hands."""

import json

from tests.e2e.deploy.machines import Machine
from tests.e2e.deploy.site import require, say, shell

_UNIT = "bringup-renew.service"
# Tries to connect, to an address that the site has no part in and to the API; tries a socket of another family.
_PROBE = """\
import json, os, socket, sys

def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return error.strerror or str(error)
    return "done"

found = {
    "elsewhere": outcome(lambda: socket.create_connection((sys.argv[1], 22), 5)),
    "api": outcome(lambda: socket.create_connection((sys.argv[2], 5000), 5)),
    "netlink": outcome(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "unix": outcome(lambda: socket.socket(socket.AF_UNIX)),
}
print("PROBE " + json.dumps(found))
"""


def check(host: Machine, elsewhere: str) -> None:
    """Raises Failed: the unit reaches an address that the site has no part in, or has a socket that it must not have.

    Args:
        host: with the API.
        elsewhere: an address that answers, on a port where nobody listens.
    """
    (host.root / "usr/local/bin/probe.py").write_text(_PROBE)
    drop_in = host.root / f"etc/systemd/system/{_UNIT}.d/probe.conf"
    probe = f"/usr/bin/python3 /usr/local/bin/probe.py {elsewhere} {host.address}"
    drop_in.write_text(f"[Service]\nExecStart=\nExecStart={probe}\n")
    shell(host, f"systemctl daemon-reload && systemctl start {_UNIT}")
    log = host.run("journalctl", "--unit", _UNIT, "--output", "cat", "--no-pager", "--lines", "20")
    drop_in.unlink()
    shell(host, "systemctl daemon-reload")
    found: dict[str, str] = json.loads(log.rpartition("PROBE ")[2].splitlines()[0])
    say(f"from within {_UNIT}: {found}")
    require(found["api"] == "done", "the unit cannot reach the API")
    # What is dropped has no answer; what got through is refused, for nobody listens there.
    require(found["elsewhere"] in {"Operation not permitted", "timed out"}, f"an address elsewhere: {found}")
    for family in ("netlink", "unix"):
        require(found[family] == "Address family not supported by protocol", f"a socket of {family}: {found}")
