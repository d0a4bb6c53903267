"""The header of a response and its body reach the client together: one system call, one TLS record."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import FileWrapper, Response

from bringup.serving.gevent_worker import ResponseSocket


@pytest.fixture
def connection() -> Mock:
    return Mock()


@pytest.fixture
def sock(connection: Mock) -> ResponseSocket:
    return ResponseSocket(connection)


def response(sock: Any, method: str = "GET", **headers: str) -> Any:
    made = Response(Mock(method=method, version=(1, 1), headers=[]), sock, Config())
    made.start_response("200 OK", list(headers.items()))
    return made


def sent(connection: Mock) -> list[bytes]:
    return [call.args[0] for call in connection.sendall.call_args_list]


def test_the_header_is_sent_with_the_first_part_of_the_body(sock: ResponseSocket, connection: Mock) -> None:
    made = response(sock, **{"Content-Length": "6"})
    made.write(b"abc")
    made.write(b"def")
    first, second = sent(connection)
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"\r\n\r\nabc")
    assert second == b"def"


def test_a_response_without_a_body_is_sent_once_by_flush(sock: ResponseSocket, connection: Mock) -> None:
    response(sock, "HEAD", **{"Content-Length": "6"}).close()
    assert sent(connection) == []
    sock.flush()
    sock.flush()
    (only,) = sent(connection)
    assert only.endswith(b"\r\n\r\n")


def test_flush_after_a_body_sends_nothing_more(sock: ResponseSocket, connection: Mock) -> None:
    response(sock, **{"Content-Length": "3"}).write(b"abc")
    sock.flush()
    assert len(sent(connection)) == 1


def test_a_file_is_sent_after_its_header(sock: ResponseSocket, connection: Mock, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        response(sock, **{"Content-Length": "3"}).write_file(FileWrapper(file))
    assert [call[0] for call in connection.method_calls] == ["sendall", "sendfile"]


def test_a_header_is_not_sent_on_a_connection_that_was_shut_down(sock: ResponseSocket, connection: Mock) -> None:
    """As gunicorn does when the application fails in the middle of a response."""
    response(sock, **{"Content-Length": "3"}).send_headers()
    shutdown: Any = sock.shutdown
    shutdown(2)
    sock.flush()
    assert sent(connection) == []
    assert connection.shutdown.call_args.args == (2,)


def test_what_else_is_asked_of_it_is_asked_of_the_connection(sock: ResponseSocket, connection: Mock) -> None:
    assert sock.fileno() is connection.fileno.return_value
