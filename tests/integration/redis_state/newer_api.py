"""An API of the next version, as its clients see it: the real one, with more in every reply than they know."""

import json
import threading
from typing import Any

import requests
from werkzeug import Request, Response
from werkzeug.serving import make_server

MORE = {"of_the_next_version": {"new": [1, 2]}}


def with_more(document: Any) -> Any:
    """The same, with one more field in every object."""
    if isinstance(document, dict):
        return {name: with_more(value) for name, value in document.items()} | MORE
    return [with_more(one) for one in document] if isinstance(document, list) else document


class NewerApi:
    """Serves until it is closed.

    Args:
        origin: base URL of the real API.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._server = make_server("127.0.0.1", 0, Request.application(self._answer), threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name in {"Authorization", "Content-Type"}}
        url = self._origin + request.full_path
        found = requests.request(request.method, url, data=request.get_data(), headers=headers, timeout=60)
        kept = {name: value for name, value in found.headers.items() if name in {"Content-Type", "Retry-After"}}
        is_json = "json" in found.headers.get("Content-Type", "")
        content = json.dumps(with_more(found.json())).encode() if is_json else found.content
        return Response(content, status=found.status_code, headers=kept)
