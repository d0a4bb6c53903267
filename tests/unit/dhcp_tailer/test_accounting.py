"""What is logged about records."""

from typing import Any

from dhcp_tailer.accounting import Accounting, Outcome, excerpt


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_sums_are_logged_when_they_change_and_at_most_every_ten_seconds(logged: Any) -> None:
    clock = Clock()
    accounting = Accounting(clock)
    for second in range(21):
        clock.now = second
        accounting.count(Outcome.QUEUED)
        accounting.log_sums()
        accounting.log_sums()
    assert [line["queued"] for line in logged] == [1, 11, 21]


def test_sums_that_did_not_change_are_not_logged_again(logged: Any) -> None:
    accounting = Accounting(Clock())
    accounting.log_sums(now=True)
    accounting.count(Outcome.RENEWAL)
    accounting.log_sums(now=True)
    accounting.log_sums(now=True)
    assert [line["renewal"] for line in logged] == [1]


def test_damaged_records_are_shown_escaped_and_shortened(logged: Any) -> None:
    Accounting(Clock()).malformed(b"\x1b[2J\xff\n" + b"x" * 5000, "why")
    (line,) = logged
    assert line["record"].startswith("\\x1b[2J\\xff\\n")
    assert line["record"].isprintable()
    assert len(line["record"]) < 300


def test_a_flood_of_damaged_records_is_counted_and_not_shown(logged: Any) -> None:
    clock = Clock()
    accounting = Accounting(clock)
    for _ in range(1000):
        accounting.malformed(b"x", "why")
    assert len(logged) == 11
    clock.now = 11
    accounting.malformed(b"y", "why")
    assert logged[-1]["record"] == "y"
    assert accounting.counts[Outcome.MALFORMED] == 1001


def test_an_excerpt_of_any_byte_is_printable() -> None:
    assert excerpt(bytes(range(200))).isprintable()
