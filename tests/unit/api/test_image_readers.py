"""How many may read images at once: no image takes all places, and no place is lost."""

from collections.abc import Generator

from api.images.readers import MOST_OF_ONE, Readers, Reading, most_readers


def two() -> Generator[bytes, None, None]:
    yield from (b"1", b"2")


def test_one_image_takes_its_share_and_no_more() -> None:
    readers = Readers()
    assert [readers.begin("a", 16) for _ in range(MOST_OF_ONE + 1)] == [True] * MOST_OF_ONE + [False]
    assert readers.begin("b", 16)


def test_all_images_together_leave_threads_for_calls() -> None:
    readers = Readers()
    assert [readers.begin(name, 3) for name in "abcd"] == [True, True, True, False]
    readers.end("b")
    assert readers.begin("d", 3)


def test_a_place_is_given_back_once_whether_or_not_anything_was_read() -> None:
    ended: list[str] = []
    whole = Reading(two(), lambda: ended.append("whole"))
    assert list(whole) == [b"1", b"2"]
    whole.close()
    Reading(two(), lambda: ended.append("unread")).close()
    assert ended == ["whole", "unread"]


def test_some_threads_are_always_left_where_calls_are_served_too() -> None:
    assert [most_readers(threads, alone=False) for threads in (1, 2, 3, 16)] == [1, 1, 2, 12]
    assert most_readers(16, alone=True) == 16
