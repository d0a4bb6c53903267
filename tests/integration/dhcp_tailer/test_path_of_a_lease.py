"""How many files a reader opens to follow one lease from a line of the log to its job on the queue."""

import sys
from pathlib import Path
from types import FrameType

from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind
from bringup.queues import Queues
from bringup.tls import ClientContexts
from dhcp_tailer.retry import Stop
from dhcp_tailer.service import run
from dhcp_tailer.tailer import Tailer
from tests.conftest import MakeSettings, RedisServer

PROJECT = Path(__file__).parents[3]
ROOMS = {path.name for path in PROJECT.iterdir() if (path / "__init__.py").exists()} - {"tests"}
# What dnsmasq writes with log-dhcp about one lease through a relay: all details that it may have.
LINES = b"""\
Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 available DHCP range: 10.77.4.10 -- 10.77.4.250
Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 vendor class: iDRAC
Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 client provides name: idrac-7XK2M13
Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 DHCPDISCOVER(br0) 02:00:00:00:00:01
Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 sent size:  4 option: 82 agent-id  01:02:72:64
Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 DHCPREQUEST(br0) 10.77.4.16 02:00:00:00:00:01
Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 idrac-7XK2M13
"""


class Entered:
    """The files of the project in which a function is called, from the start of the loop until the job is queued."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._counting = False

    def __call__(self, frame: FrameType, event: str, _arg: object) -> None:
        code = frame.f_code
        if event == "call" and code is Tailer.run.__code__:
            self._counting = True
        elif event == "return" and code is Queues.add_leases.__code__:
            self._note(frame)
            self._counting = False
        elif event == "call" and self._counting:
            self._note(frame)

    def _note(self, frame: FrameType) -> None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(PROJECT) and (name := str(file.relative_to(PROJECT))).split("/")[0] in ROOMS:
            self.files += [] if name in self.files else [name]


def test_a_lease_becomes_a_job_through_21_files_or_fewer(
    tmp_path: Path, shared_redis: RedisServer, make_settings: MakeSettings
) -> None:
    path = tmp_path / "dnsmasq.log"
    path.write_bytes(LINES)
    settings = make_settings(redis_port=shared_redis.port, dhcp_source="dnsmasq-log", dhcp_path=path, lease_max_age_h=0)
    entered = Entered()
    sys.setprofile(entered)
    try:
        run(settings, Stop(), once=True)
    finally:
        sys.setprofile(None)
    connection = connect_redis(settings, ClientContexts(), name="test")
    assert [run_id[:17] for run_id in Queues(connection).queue(JobKind.DISCOVER).job_ids] == ["02-00-00-00-00-01"]
    connection.close()
    # The loop, the parser and the queue are among them: it was this way that was counted.
    assert {"dhcp_tailer/tailer.py", "dhcp_tailer/sources/dnsmasq_log.py", "bringup/queues.py"} <= set(entered.files)
    assert len(entered.files) <= 21, "\n".join(entered.files)
