"""The address of a run's image holds a secret: no error and no log shows it, and no other run's image passes for it."""

import io
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from bringup import log
from bringup.errors import BmcRejected, BmcUnavailable
from tests.integration.redfish.conftest import PERMIT, SECRET, Emulator, MakeBmc, media_of
from tests.logs import logging_restored

OTHER = SECRET[::-1]


def address(emulator: Emulator, secret: str = SECRET) -> str:
    """An image that the emulator can fetch, as the API's are named."""
    return f"{emulator.address}/images/{secret}/bringup-validation.iso"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, as our services log it."""
    stream = io.StringIO()
    with logging_restored():
        log.configure("DEBUG", "console", stream)
        yield stream


def refusal_of(emulator: Emulator, make_bmc: MakeBmc) -> Any:
    with pytest.raises((BmcRejected, BmcUnavailable)) as error:
        make_bmc().insert_media(media_of(emulator, image_url=address(emulator)), PERMIT)
    return error.value


@pytest.mark.parametrize("status", [400, 500])
def test_a_bmc_that_names_the_address_in_its_refusal_does_not_spread_it(
    emulator: Emulator, make_bmc: MakeBmc, logged: io.StringIO, status: int
) -> None:
    message = f"could not fetch {address(emulator)}"
    emulator.refuse("POST", "VirtualMedia.InsertMedia", status, message, times=9)
    error = refusal_of(emulator, make_bmc)
    shown = "".join(traceback.format_exception(error))  # rq keeps this in Redis
    assert "bringup-validation.iso" in shown
    assert SECRET not in shown
    assert SECRET not in str(error)
    assert SECRET not in logged.getvalue()


def test_at_debug_the_libraries_log_what_is_sent_without_the_secret(
    emulator: Emulator, make_bmc: MakeBmc, logged: io.StringIO
) -> None:
    emulator.fail(fetches_nothing=True)
    error = refusal_of(emulator, make_bmc)
    assert "/images/***/bringup-validation.iso" in str(error)
    assert "InsertMedia" in logged.getvalue(), "sushy logs nothing any more: is this test of use?"
    assert "/images/***/" in logged.getvalue()
    assert SECRET not in logged.getvalue()


def test_what_is_to_be_booted_does_not_show_itself(emulator: Emulator) -> None:
    assert SECRET not in repr(media_of(emulator, image_url=address(emulator)))


def test_the_image_of_another_run_is_not_taken_for_ours(emulator: Emulator, make_bmc: MakeBmc) -> None:
    make_bmc().insert_media(media_of(emulator, image_url=address(emulator, OTHER)), PERMIT)
    assert "a medium that is not ours" in str(refusal_of(emulator, make_bmc))
