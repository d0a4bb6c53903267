"""One good stack with TLS and one without, each started once; every fault is undone."""

from collections.abc import Iterator

import pytest

from tests.integration.selftest.site import Site


@pytest.fixture(scope="package")
def tls_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("tls"), use_tls=True)
    with site.stack:
        site.start_chain()
        yield site


@pytest.fixture(scope="package")
def plain_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("plain"), use_tls=False)
    with site.stack:
        site.start_chain()
        yield site
