"""LLDP over a real cable: a pair of virtual ports in a network namespace of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
LISTEN = """
import socket, time
from agent.lldp import Neighbours

heard = Neighbours(20, time.monotonic)
heard.listen(["cable0", "not-there"])
heard.listen(["cable0"])
other = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
other.bind(("cable1", 0))
head = bytes.fromhex("0180c200000e 020000000099 88cc")
unit = bytes.fromhex("0207 04 020000000099  0403 05 3137  0602 0078  0000")
assert len(head) == 14
other.send(head + b"nonsense, and first")
other.send(head + unit + bytes(30))
started = time.monotonic()
heard.wait(lambda: ["cable0"], lambda: None)
print(heard.announcements(), time.monotonic() - started < 15)
"""
SCRIPT = """
ip link add cable0 type veth peer name cable1
ip link set cable0 up
ip link set cable1 up
exec "$0" -c "$1"
"""


def test_an_announcement_on_the_cable_is_heard_and_nonsense_before_it_is_not() -> None:
    assert shutil.which("unshare"), "unshare (util-linux) is not installed"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", SCRIPT, sys.executable, LISTEN],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (
        done.stdout
        == "{'cable0': [(1, b'\\x04\\x02\\x00\\x00\\x00\\x00\\x99'), (2, b'\\x0517'), (3, b'\\x00x')]} True\n"
    ), done.stderr
