"""What the kernel has once, no room has again: a second one would differ, and only one of them would be repaired."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("bringup", "bringup_cli", "selftest", "api", "workers", "dhcp_tailer", "pki", "agent")
# Where each may be written, and why there more than once. The PKI imports nothing of the project, and the agent has
# the standard library alone.
ONLY_IN = {
    "an atomic write, to disk": (
        r"\bos\.(fsync|link|replace|rename)\(|\.hardlink_to\(|\bfresh\.replace\(",
        # The audit log is appended to; a restore and an upgrade put whole folders, or a link to one, in place.
        {
            "bringup/files.py",
            "pki/files.py",
            "bringup/audit.py",
            "bringup_cli/backup/place.py",
            "bringup_cli/site/upgrade_bundle.py",
            "bringup_cli/site/upgrade_host.py",
        },
    ),
    "whether a file has changed": (r"\bst_ctime_ns\b|st_size, \w+\.st_mtime_ns", {"bringup/files.py"}),
    "jitter and backoff": (
        r"^(import|from) random\b|\brandom\.uniform\(|\bleast_s \* 2 \*\*",
        {"bringup/backoff.py", "agent/api.py"},
    ),
    "the seconds of Retry-After": (
        r"isascii\(\) and \w+\.isdigit\(\)",
        {"bringup/backoff.py", "agent/api.py"},
    ),
    "the causes of an error": (r"\.__cause__|\.__context__", {"bringup/errors.py"}),
}


def _files(pattern: str) -> Iterator[str]:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE):
                yield str(path.relative_to(ROOT))


@pytest.mark.parametrize("what", ONLY_IN)
def test_no_room_has_a_second_one(what: str) -> None:
    pattern, allowed = ONLY_IN[what]
    assert set(_files(pattern)) == allowed
