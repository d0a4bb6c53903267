"""What is read together is sent with as few commands as it can be, and each reply comes to who has asked."""

import pytest

from api.state.batch import together

GETS = [("GET", "a"), ("HGETALL", "b"), ("GET", "c"), ("SCARD", "d")]


def test_strings_are_read_by_one_command() -> None:
    sent, apart = together(GETS)
    assert sent == [("MGET", "a", "c"), ("HGETALL", "b"), ("SCARD", "d")]
    assert apart([[b"1", None], {b"f": b"2"}, 3]) == [b"1", {b"f": b"2"}, None, 3]


def test_a_string_that_may_forbid_something_is_read_by_a_command_of_its_own() -> None:
    sent, apart = together([*GETS, ("GET", "e")], {("GET", "c")})
    assert sent == [("MGET", "a", "e"), ("HGETALL", "b"), ("GET", "c"), ("SCARD", "d")]
    assert apart([[b"1", b"5"], {}, ValueError, 3]) == [b"1", {}, ValueError, 3, b"5"]


def test_an_error_is_the_error_of_each_string() -> None:
    _, apart = together(GETS)
    error = ValueError("refused")
    assert apart([error, {}, 3]) == [error, {}, error, 3]


@pytest.mark.parametrize("commands", [[], [("GET", "a")], [("HGETALL", "b"), ("GET", "a")]])
def test_a_string_alone_is_read_as_it_is(commands: list[tuple[str, str]]) -> None:
    sent, apart = together(commands)
    assert sent == commands
    assert apart([1] * len(commands)) == [1] * len(commands)
