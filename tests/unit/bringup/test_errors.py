"""The causes of an error are found however a library nests them."""

import pytest
import requests
import urllib3

from bringup.errors import causes, innermost


def test_the_innermost_cause_is_found_through_cause_arguments_and_reason() -> None:
    reset = ConnectionResetError(104, "Connection reset by peer")
    protocol = urllib3.exceptions.ProtocolError("Connection aborted.", reset)
    retries = urllib3.exceptions.MaxRetryError(urllib3.HTTPConnectionPool("host"), "/", reason=protocol)
    outer = requests.ConnectionError(retries)
    assert list(causes(outer)) == [outer, retries, protocol, reset]
    assert innermost(outer) is reset


def test_the_innermost_cause_is_found_through_context() -> None:
    with pytest.raises(ValueError, match="outer") as caught:
        _fail_twice()
    assert str(innermost(caught.value)) == "invalid literal for int() with base 10: 'inner'"


def _fail_twice() -> None:
    try:
        int("inner")
    except ValueError:
        raise ValueError("outer")  # noqa: B904 - the case that is tested


def test_an_error_without_a_cause_is_its_own() -> None:
    error = OSError("alone")
    assert innermost(error) is error


def test_errors_that_are_each_others_cause_end() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert list(causes(one)) == [one, other]
