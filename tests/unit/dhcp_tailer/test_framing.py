"""Bytes into records."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dhcp_tailer.framing import LONGEST_RECORD, SHOWN, Lines, Record

TEXT = b"one\n\ntwo two\nthree \xff\n"


def fed(chunks: list[bytes]) -> list[Record]:
    splitter = Lines(0)
    return [record for chunk in chunks for record in splitter.feed(chunk)]


@given(cuts=st.lists(st.integers(0, len(TEXT))))
def test_records_do_not_depend_on_where_chunks_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    chunks = [TEXT[a:b] for a, b in pairwise(places)]
    assert fed(chunks) == [
        Record(b"one", 4),
        Record(b"", 5),
        Record(b"two two", 13),
        Record(b"three \xff", 21),
    ]


def test_a_line_without_its_newline_is_held_back() -> None:
    splitter = Lines(10)
    assert splitter.feed(b"half") == []
    assert splitter.fed_to == 14
    assert splitter.feed(b" whole\n") == [Record(b"half whole", 21)]


@given(size=st.sampled_from([1000, 65536, 70_000, 1_000_000]))
def test_a_line_longer_than_64_kib_is_damaged_and_the_next_one_is_whole(size: int) -> None:
    long = b"x" * (LONGEST_RECORD + 1) + b"\nnext\n"
    records = fed([long[start : start + size] for start in range(0, len(long), size)])
    assert [(r.end, r.damage is None) for r in records] == [(LONGEST_RECORD + 2, False), (LONGEST_RECORD + 7, True)]
    assert records[0].data == b"x" * SHOWN
    assert records[1].data == b"next"


def test_a_line_of_64_kib_is_whole() -> None:
    line = b"x" * LONGEST_RECORD
    assert fed([line, b"\n"]) == [Record(line, LONGEST_RECORD + 1)]


def test_a_line_of_a_megabyte_holds_no_more_than_64_kib_of_memory() -> None:
    splitter = Lines(0)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
        assert len(splitter._held) <= LONGEST_RECORD
    (record,) = splitter.feed(b"\n")
    assert record.end == 1_000_001
    assert record.damage


def test_what_was_never_ended_is_cut_as_damaged_once() -> None:
    splitter = Lines(0)
    splitter.feed(b"whole\nhal")
    assert splitter.cut() == Record(b"hal", 9, "its line never ended")
    assert splitter.cut() is None
