"""Which bytes a Range header asks for. Source: RFC 9110 s.14."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.images.delivery import wanted

SIZES = st.integers(1, 2**40)


@given(size=SIZES, first=st.integers(0, 2**41), count=st.integers(1, 2**41))
def test_first_and_last_are_both_meant(size: int, first: int, count: int) -> None:
    found = wanted(f"bytes={first}-{first + count - 1}", size)
    assert found is not None
    assert (found.start, found.stop) == (min(first, size), min(first + count, size))


@given(size=SIZES, first=st.integers(0, 2**41))
def test_without_a_last_byte_it_is_all_the_rest(size: int, first: int) -> None:
    assert wanted(f"bytes={first}-", size) == range(min(first, size), size)


@given(size=SIZES, count=st.integers(1, 2**41))
def test_without_a_first_byte_it_is_the_end_and_never_more_than_all(size: int, count: int) -> None:
    found = wanted(f"bytes=-{count}", size)
    assert found == range(max(0, size - count), size)
    assert found


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_lies_behind_the_end_is_empty(header: str) -> None:
    assert wanted(header, 100) == range(100, 100)


@pytest.mark.parametrize(
    "header", ["", "bytes", "bytes=", "bytes=-", "bytes=2-1", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2", "bytes=0x1-2"]
)
def test_what_is_not_one_range_of_bytes_is_ignored(header: str) -> None:
    assert wanted(header, 100) is None


@given(header=st.text(max_size=60) | st.from_regex(r"bytes=[ 0-9,-]*", fullmatch=True), size=SIZES)
def test_no_header_leads_outside_the_file(header: str, size: int) -> None:
    found = wanted(header, size)
    assert found is None or (0 <= found.start <= found.stop <= size and found.step == 1)
