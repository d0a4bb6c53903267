"""The log: nobody who is logged can forge a line of it."""

import errno
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bringup import log
from tests.logs import logging_restored

SECRET = "s" * 43
# Of a line, in both formats.
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
HOSTILE = "x\n2026-11-23 [info] forged\r\x1b[2J\u202e\x00"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with logging_restored():
        yield


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("through", ["structlog", "library"])
def test_hostile_text_stays_on_its_line(log_format: log.LogFormat, through: str) -> None:
    stream = io.StringIO()
    log.configure("INFO", log_format, stream)
    if through == "structlog":
        log.get("test").info(HOSTILE, field=HOSTILE)
    else:
        logging.getLogger("library").warning("said %s", HOSTILE)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()


def test_a_json_line_carries_what_is_bound() -> None:
    stream = io.StringIO()
    log.configure("INFO", "json", stream)
    with log.bound(run_id="r1", job_id="j1"):
        log.get("test").info("step")
    log.get("test").info("after")
    inside, after = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (inside["run_id"], inside["job_id"], inside["event"]) == ("r1", "j1", "step")
    assert "run_id" not in after


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_local_variables(log_format: log.LogFormat) -> None:
    stream = io.StringIO()
    log.configure("INFO", log_format, stream)
    try:
        _fail("-".join(("a", "secret", "in", "a", "frame")))
    except ValueError:
        log.get("test").exception("it failed")
    assert "ValueError" in stream.getvalue()
    assert "a-secret-in-a-frame" not in stream.getvalue()


def _fail(secret: str) -> None:
    raise ValueError(f"of {len(secret)} characters")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_line_without_a_record_is_as_the_library_would_write_it(log_format: log.LogFormat) -> None:
    stream = io.StringIO()
    log.configure("INFO", log_format, stream)
    log.write_line("api.access", f"127.0.0.1 GET /{HOSTILE} /images/{SECRET} 200")
    logging.getLogger("api.access").info("127.0.0.1 GET /%s /images/%s 200", HOSTILE, SECRET)
    ours, theirs = (TIME.sub("", line) for line in stream.getvalue().splitlines())
    assert ours == theirs
    assert SECRET not in ours


def test_a_line_without_a_record_is_of_level_info() -> None:
    stream = io.StringIO()
    log.configure("WARNING", "console", stream)
    log.write_line("api.access", "127.0.0.1 GET / 200")
    assert not stream.getvalue()


def test_a_full_disk_under_the_log_does_not_fail_what_writes_a_line() -> None:
    log.configure("INFO", "console", FullDisk())
    log.write_line("api.access", "127.0.0.1 GET / 200")


class FullDisk(io.StringIO):
    """A stream that takes nothing."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_without_a_record_is_not_kept_in_a_buffer() -> None:
    written = io.BytesIO()
    log.configure("INFO", "console", io.TextIOWrapper(io.BufferedWriter(Kept(written))))
    log.write_line("api.access", "127.0.0.1 GET / 200")
    assert b"GET / 200" in written.getvalue()


class Kept(io.RawIOBase):
    """Writes to ``to``, which its own end does not close."""

    def __init__(self, to: io.BytesIO) -> None:
        super().__init__()
        self._to = to

    def writable(self) -> bool:
        return True

    def write(self, text: Any) -> int:
        return self._to.write(text)
