"""Who is given a run's parameters: the BMC's addresses on record, in any spelling, and what IMAGE_READERS names."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from api.images.readers import UnknownBmcAddress, addresses_of, may_have_parameters
from bringup.settings import Settings


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.mark.parametrize(
    ("bmc", "addresses"),
    [
        ("https://10.0.0.5", ("10.0.0.5",)),
        ("https://10.5:8443/redfish/v1/Systems/2", ("10.0.0.5",)),
        ("https://[fd00::0:5]", ("fd00::5",)),
        ("https://[::ffff:10.0.0.5]", ("10.0.0.5",)),
        ("https://[fe80::5%25eth0]", ("fe80::5",)),
        ("simulated://127.0.0.1:9000/a", ("127.0.0.1",)),
        (None, ()),
    ],
)
def test_an_address_on_record_is_read_in_one_spelling(bmc: str | None, addresses: tuple[str, ...]) -> None:
    assert addresses_of(bmc) == addresses


def test_a_name_stands_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Any = [(0, 0, 0, "", (address, 0)) for address in ("10.0.0.6", "10.0.0.5", "10.0.0.5", "fd00::5")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
    assert addresses_of("https://bmc.example.net") == ("10.0.0.5", "10.0.0.6", "fd00::5")


def test_a_name_that_nobody_knows_is_an_error_and_not_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnknownBmcAddress, match=r"cannot resolve bmc\.example\.net, the BMC's name in DEVICES_FILE"):
        addresses_of("https://bmc.example.net")


@pytest.mark.parametrize("reader", ["10.0.0.5", "::ffff:10.0.0.5", "fd00::5", "FD00:0::5", "fd00::5%eth0"])
def test_the_bmc_is_known_in_any_spelling(settings: Settings, reader: str) -> None:
    assert may_have_parameters(reader, ("10.0.0.5", "fd00::5"), settings)


@pytest.mark.parametrize(
    "reader", ["10.0.0.50", "10.0.0.6", "::10.0.0.5", "fd00::50", "127.0.0.1", "", "10.0.0.5,", "x"]
)
def test_nobody_else_is(settings: Settings, reader: str) -> None:
    assert not may_have_parameters(reader, ("10.0.0.5", "fd00::5"), settings)
    assert not may_have_parameters(reader, (), settings)


def test_exceptions_are_networks_and_no_more(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(image_readers="192.0.2.0/24, fd01::/64")
    assert may_have_parameters("192.0.2.7", (), settings)
    assert may_have_parameters("::ffff:192.0.2.7", (), settings)
    assert may_have_parameters("fd01::7", (), settings)
    assert not may_have_parameters("192.0.3.7", (), settings)
    assert not may_have_parameters("fd02::7", (), settings)


def test_an_image_of_the_version_before_is_served_as_that_version_did(settings: Settings) -> None:
    assert may_have_parameters("192.0.2.7", None, settings)
