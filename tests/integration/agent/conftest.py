"""The application of the API's own tests."""

from tests.integration.api.conftest import api, make_api, open_api

__all__ = ["api", "make_api", "open_api"]
