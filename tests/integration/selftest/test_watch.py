"""--watch as a person uses it: on a terminal and in a pipe, with a fault between two rounds, ended by Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.selftest.site import Site


@contextmanager
def _watching(site: Site, *, terminal: bool) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command, and where its output is read."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    # A shell that has the tests in the background lets them, and whatever they start, ignore Ctrl-C.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "bringup", "selftest", "--only", "6"]
    process = subprocess.Popen(
        [*command, "--watch", "1"],
        cwd=site.folder,
        env=site.stack.environment("worker") | {"TERM": "xterm", "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    try:
        yield process, reader
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def _read_until(reader: int, words: bytes) -> None:
    seen, deadline = b"", time.monotonic() + 180
    while words not in seen:
        assert time.monotonic() < deadline, seen.decode()
        seen += os.read(reader, 65536)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_fault_between_two_rounds_is_marked_and_is_the_exit_status(tls_site: Site, *, terminal: bool) -> None:
    key = tls_site.store.root / "api/api-key.pem"
    with _watching(tls_site, terminal=terminal) as (process, reader):
        _read_until(reader, b"PASSED: ")
        key.chmod(0o644)
        try:
            _read_until(reader, b"(was ok)")
            process.send_signal(signal.SIGINT)
            assert process.wait(180) == 1
        finally:
            key.chmod(0o600)


@pytest.mark.parametrize("wrong", [["--output", "json"], ["--report", "x.md"], ["--list"], ["--measure"]])
def test_it_is_refused_with_what_is_no_text_on_a_screen(tls_site: Site, wrong: list[str]) -> None:
    done = tls_site.selftest("--watch", *wrong)
    assert done.returncode == 2
    assert "--watch shows text on the screen" in done.stderr
