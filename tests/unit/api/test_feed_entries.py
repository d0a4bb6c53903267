"""Changes are stored in as few and as short entries as they can be, and read as they were."""

import json

import pytest

from api.state.feed_entries import FeedEntry, read, written

LEASE = FeedEntry("lease", "tailer", "r1", "d1", "queued", "a lease")
LINES = [
    FeedEntry(what, "worker", "r1", "d1", "booting", detail) for what, detail in (("a", ""), ("b", "x"), ("c", ""))
]
SLOT = FeedEntry("boot_slot_given", "api", "r2", "d2", "queued")
DEVICE = FeedEntry("approved", "alice", device="d1", state="approved")


def restored(changes: list[FeedEntry]) -> list[FeedEntry | None]:
    entries = list(written(changes))
    found = [read(text.encode()) for _, text in entries]
    assert [number for number, _ in entries] == [len(some) for some in found]
    return [change for some in found for change in some]


@pytest.mark.parametrize("changes", [[], [LEASE], LINES, [LEASE, *LINES, SLOT, DEVICE, LEASE], LINES * 100])
def test_what_is_written_is_read(changes: list[FeedEntry]) -> None:
    assert restored(changes) == changes


def test_changes_of_one_run_share_an_entry_and_those_of_another_do_not() -> None:
    assert [number for number, _ in written([*LINES, SLOT, *LINES])] == [3, 1, 3]


def test_a_change_that_is_alone_is_written_as_earlier_builds_read_it() -> None:
    assert list(written([LEASE])) == [(1, '["lease","tailer","r1","d1","queued","a lease"]')]


def test_earlier_builds_cannot_read_an_entry_of_several_changes() -> None:
    """Rather than to read half of it: then their followers take a snapshot."""
    ((_, text),) = written(LINES)
    assert not json.loads(text).get("what"), "which is where they look"


@pytest.mark.parametrize("of", ['["w"]', '["w","r1"]', "[]", "3", "null", "{}", '"x"'])
@pytest.mark.parametrize("lines", ['[["a"],["b"]]', "[[]]", "[]", "3", "null", "[3]", '["ab"]', "{}", "[" * 100_000])
def test_no_entry_raises(of: str, lines: str) -> None:
    found = read(f'{{"of":{of},"lines":{lines}}}'.encode())
    assert 1 <= len(found) <= 2


def test_a_damaged_entry_has_no_more_changes_than_one_may_have() -> None:
    lines = json.dumps({"of": ["w"], "lines": [["a"]] * 5000})
    assert len(read(lines.encode())) == 100
