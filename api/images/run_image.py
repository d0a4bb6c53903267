"""The image of one run: its parameters, laid over the area of the base image. It is nowhere on disk."""

import io
import os
from typing import TYPE_CHECKING

from api.images.base_image import BaseImage
from api.images.run_certificate import RunCertificate
from bringup.model import utc_now
from bringup.settings import Settings
from bringup.wire.machine import AREA_SIZE, RunParameters

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ParametersTooLarge(Exception):
    """They do not fit into the area; cut short they would be worth nothing."""


def run_parameters(
    run_id: str, token: str, settings: Settings, certificate: RunCertificate | None = None
) -> RunParameters:
    """What the agent must know of this run.

    Args:
        certificate: where machines must present one.

    Raises:
        OSError: API_TLS_CA cannot be read.
    """
    return RunParameters(
        run_id=run_id,
        callback_url=f"{settings.api_url}/api/v1",
        token=token,
        epoch=int(utc_now().timestamp()),
        ca_pem=_trust(settings),
        client_cert_pem=certificate.certificate if certificate else None,
        client_key_pem=certificate.key if certificate else None,
        after="poweroff" if settings.power_off_after_run else "wait",
        lldp_wait_s=settings.lldp_wait_s,
    )


def area_of(parameters: RunParameters) -> bytes:
    """The area of the image with ``parameters`` in it. Raises ParametersTooLarge."""
    text = parameters.model_dump_json().encode()
    if len(text) > AREA_SIZE:
        raise ParametersTooLarge(f"{len(text)} bytes do not fit into {AREA_SIZE}")
    return text.ljust(AREA_SIZE)


class RunImage(io.RawIOBase):
    """Reads like a file, but has no descriptor: a server that takes one would send the base image instead.

    Args:
        area: exactly what stands in the area's place.
    """

    def __init__(self, base: BaseImage, area: bytes) -> None:
        self._base = base
        self._area = area
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte of the image."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._base.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill ``buffer`` from here on. Raises OSError when the base image is not what it was."""
        view = memoryview(buffer).cast("B")
        found = self._base.read(self._position, len(view))
        view[: len(found)] = found
        self._lay_over(view[: len(found)])
        self._position += len(found)
        return len(found)

    def _lay_over(self, view: memoryview) -> None:
        area_at = self._base.area_at
        start = max(self._position, area_at)
        stop = min(self._position + len(view), area_at + len(self._area))
        if start < stop:
            view[start - self._position : stop - self._position] = self._area[start - area_at : stop - area_at]


def _trust(settings: Settings) -> str | None:
    """The whole file: while a CA is being replaced, the old and the new one stand in it."""
    return settings.path_of("api_tls_ca").read_text(encoding="ascii") if settings.api_use_tls else None
