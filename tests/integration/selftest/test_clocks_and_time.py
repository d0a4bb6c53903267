"""Clocks that differ are reported; and whatever hangs, the self-test ends in time."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from bringup.model import utc_now
from pki.check import Status
from tests.integration.selftest.site import Changes, Site

LONGEST_S = 30
STATIC = {"4", "4b", "5a", "6", "6b", "8", "host.files", "host.secrets", "host.git"}


# What is seen on this host, whatever the servers answer.
HERE = STATIC | {"5d", "7.api.plain-port"}


@pytest.mark.parametrize(("ahead_s", "status"), [(2, Status.OK), (60, Status.WARN), (600, Status.FAIL)])
def test_a_clock_that_differs_is_reported_with_the_difference(tls_site: Site, ahead_s: int, status: Status) -> None:
    # A machine that stalls between two looks at the clock makes the difference another one.
    assert any(is_reported(tls_site, ahead_s, status) for _ in range(5))


def is_reported(site: Site, ahead_s: int, status: Status) -> bool:
    found = site.tested(now=lambda: utc_now() + timedelta(seconds=ahead_s))
    redis, api = (float(text) for text in re.findall(r"-([0-9.]+) s", found["3c"].message))
    is_right = redis == pytest.approx(ahead_s, abs=1) and api == pytest.approx(ahead_s, abs=2)  # Date has whole seconds
    return is_right and found["3c"].status is status and found.failing <= {"3c"}


def test_a_clock_that_is_behind_makes_certificates_begin_in_the_future(tls_site: Site) -> None:
    found = tls_site.tested(now=lambda: utc_now() - timedelta(minutes=20))
    assert found.failing == {"3c"}
    assert found.consequences["5a"] == "3c"
    assert "not valid before" in found.text("5a")


@contextmanager
def _black_hole() -> Iterator[int]:
    """A port whose backlog is full: connecting to it gets no answer at all, not even a refusal."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        port = int(hole.getsockname()[1])
        plugs = [socket.socket() for _ in range(4)]
        for plug in plugs:
            plug.settimeout(0)
            plug.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for plug in plugs:
                plug.close()


@pytest.fixture
def black_holes() -> Iterator[Changes]:
    with _black_hole() as redis, _black_hole() as api:
        yield {"redis_port": redis, "callback_api_port": api}


def test_where_nobody_answers_it_ends_in_time_and_passes_nothing(tls_site: Site, black_holes: Changes) -> None:
    found = tls_site.tested(black_holes, in_a_hurry=True)
    assert found.seconds < LONGEST_S
    assert found.with_status(Status.OK) == HERE
    assert "no answer in time" in found.text("1a")


def test_where_servers_accept_and_do_not_answer_it_ends_in_time(tls_site: Site) -> None:
    with tls_site.frozen():
        found = tls_site.tested(in_a_hurry=True)
    assert found.seconds < LONGEST_S
    assert found.with_status(Status.OK) == HERE
    assert "accepts connections but does not answer" in found.text("1a")
    assert "accepts connections but does not answer" in found.text("3b")


def test_a_host_that_does_not_exist_is_named(tls_site: Site) -> None:
    found = tls_site.tested({"redis_host": "redis.invalid"})
    assert found["1a"].status is Status.FAIL
    assert "redis.invalid" in found.text("1a")
