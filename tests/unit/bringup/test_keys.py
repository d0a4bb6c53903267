"""One module names the keys of Redis: nobody else writes one down."""

import re
from pathlib import Path

import redis
from rq import Queue
from rq.job import Job

from bringup import keys

ROOT = Path(__file__).parents[3]
PACKAGES = ("bringup", "bringup_cli", "selftest", "api", "workers", "dhcp_tailer", "bench")
# The ACL module writes patterns of keys, which are part of the ACL files that installations have.
ELSEWHERE = {"bringup/keys.py", "bringup/redis_acl.py"}
_KEY = re.compile(r"""["'](?:%R)?~?(bringup|rq):[^\s"']""")


def test_no_other_module_writes_a_key_down() -> None:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    found = {str(path.relative_to(ROOT)) for path in files if _KEY.search(path.read_text(encoding="utf-8"))}
    assert found == ELSEWHERE


def test_the_keys_of_rq_are_those_that_rq_uses() -> None:
    queue = Queue("boots", connection=redis.Redis())
    assert Queue.redis_queues_keys == keys.RQ_QUEUES
    assert keys.rq_job("x") == Job.key_for("x")
    assert keys.rq_queue("boots") == queue.key
    assert keys.rq_scheduled("boots") == queue.scheduled_job_registry.key
