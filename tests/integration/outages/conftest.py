"""One stack with TLS and one without, each started once; every outage is over when its test is."""

import os
from collections.abc import Iterator

import pytest

from tests.integration.outages.site import Site, redis_server_that_survives_xfsz


@pytest.fixture(scope="package", params=["plain", "tls"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(request.param)
    redis_server_that_survives_xfsz(folder / "bin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        site = Site(folder, use_tls=request.param == "tls")
        with site.stack:
            yield site
