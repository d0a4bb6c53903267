"""How many may read images at once: no image takes all places, and no place is lost."""

from collections.abc import Generator

from api.images.delivery import MOST_OF_ONE, Concurrency, CountedBody


def two() -> Generator[bytes, None, None]:
    yield from (b"1", b"2")


def test_one_image_takes_its_share_and_no_more() -> None:
    readers = Concurrency()
    assert [readers.begin("a") for _ in range(MOST_OF_ONE + 1)] == [True] * MOST_OF_ONE + [False]
    assert readers.begin("b")


def test_a_place_is_given_back_once_whether_or_not_anything_was_read() -> None:
    ended: list[str] = []
    whole = CountedBody(two(), lambda: ended.append("whole"))
    assert list(whole) == [b"1", b"2"]
    whole.close()
    CountedBody(two(), lambda: ended.append("unread")).close()
    assert ended == ["whole", "unread"]
