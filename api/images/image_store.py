"""The image of one run: its parameters over the area of the base image, found by the secret in its address.

It is nowhere on disk, and good for its run alone, as long as that goes on.
"""

import hashlib
import io
import os
import secrets
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.images import delivery, run_certificate
from api.images.base_image import AreaAlone, BaseImage, BaseImageFile
from api.runs.records import NewImage
from api.state.run_secrets import ImageRecords, KnownImage
from bringup import errors, model
from bringup.settings import Settings
from bringup.wire.machine import AREA_SIZE, IMAGE_FILE, RunParameters


class Images:
    """Finds images by their secret. Redis never holds a secret, nor a token in clear.

    Args:
        file: VALIDATION_IMAGE; None: only simulated machines have images.
    """

    def __init__(self, records: ImageRecords, file: BaseImageFile | None) -> None:
        self.records = records
        self._file = file
        self.concurrency = delivery.Concurrency()

    def base_for(self, *, simulated: bool) -> BaseImage | AreaAlone | None:
        """What a machine's image is made of now; None: there is no VALIDATION_IMAGE."""
        if simulated:
            return AreaAlone()
        return self._file.current() if self._file else None

    def base_of(self, image: KnownImage) -> BaseImage | AreaAlone | None:
        """What ``image`` was made with; None: another file is in its place, or it was written over."""
        base = self.base_for(simulated=image.base == AreaAlone.digest)
        return base if base and base.digest == image.base and base.is_intact() else None

    def find(self, secret: str) -> KnownImage | None:
        """What ``secret`` leads to, whether or not it may still be read."""
        return self.records.find(locator(secret))

    def lives(self, secret: str) -> bool:
        """Whether the image may be read still; where that cannot be asked it may, for its run may well go on."""
        try:
            known = self.find(secret)
        # To cut off every boot of a site because Redis restarts would be worse than to serve a minute too long.
        except errors.RedisUnavailable:
            return True
        return known is not None and not known.state.ended

    def parameters(self, image: KnownImage, secret: str) -> RunParameters:
        """What the run's machine will know.

        Raises:
            CorruptRecord: another than the API has written it.
        """
        try:
            # What a newer version has added is for its agent: it is handed on as it is.
            return RunParameters.model_validate_json(decrypt(secret, image.encrypted), extra="allow")
        except (InvalidToken, ValueError):
            raise errors.CorruptRecord("the parameters of a run's image in Redis cannot be read") from None


def new_secret() -> str:
    """A secret for one minting of one run's image: 256 bits in 43 characters that an address may have."""
    return secrets.token_urlsafe(32)


def new_image(
    parameters: RunParameters, secret: str, base: BaseImage | AreaAlone, readers: tuple[str, ...]
) -> NewImage:
    """An image, to be stored for its run.

    Args:
        parameters: of the run.
        secret: from `new_secret`.
        base: from `Images.base_for`.
        readers: addresses that are given the parameters.

    Raises:
        ParametersTooLarge: they do not fit into the image.
    """
    area_of(parameters)
    encrypted = encrypt(secret, parameters.model_dump_json().encode())
    return NewImage(locator(secret), base.digest, encrypted, readers)


def path_of(secret: str) -> str:
    """The path of an image, below /api/v1."""
    return f"/images/{secret}/{IMAGE_FILE}"


def locator(secret: str) -> str:
    """Where Redis keeps what belongs to ``secret``: a look-up by hash, so that its timing reveals nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def encrypt(secret: str, content: bytes) -> bytes:
    """``content``, readable only with ``secret``."""
    return _cipher(secret).encrypt(content)


def decrypt(secret: str, encrypted: bytes) -> bytes:
    """What was encrypted with ``secret``.

    Raises:
        InvalidToken: this secret does not fit, or the content was altered.
    """
    return _cipher(secret).decrypt(encrypted)


class ParametersTooLarge(errors.BringupError):
    """They do not fit into the area; cut short they would be useless."""


def run_parameters(
    run_id: str, token: str, settings: Settings, certificate: run_certificate.RunCertificate | None = None
) -> RunParameters:
    """What the agent must know of this run.

    Args:
        token: of the run.
        certificate: where machines must present one.

    Raises:
        OSError: API_TLS_CA cannot be read.
    """
    own, *others = (f"{url}/api/v1" for url in settings.api_urls)
    return RunParameters(
        run_id=run_id,
        callback_url=own,
        other_callback_urls=tuple(others),
        token=token,
        epoch=int(model.utc_now().timestamp()),
        ca_pem=_trust(settings),
        client_cert_pem=certificate.certificate if certificate else None,
        client_key_pem=certificate.key if certificate else None,
        after="poweroff" if settings.power_off_after_run else "wait",
        lldp_wait_s=settings.lldp_wait_s,
    )


def area_of(parameters: RunParameters) -> bytes:
    """The area of the image with ``parameters`` in it.

    Raises:
        ParametersTooLarge: they do not fit.
    """
    text = parameters.model_dump_json().encode()
    if len(text) > AREA_SIZE:
        raise ParametersTooLarge(f"{len(text)} bytes do not fit into {AREA_SIZE}")
    return text.ljust(AREA_SIZE)


class RunImage(io.RawIOBase):
    """Reads like a file, but has no descriptor: a server that takes one would send the base image instead.

    Args:
        area: what replaces the area, of the same length; empty: nothing does.
    """

    def __init__(self, base: BaseImage | AreaAlone, area: bytes) -> None:
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

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the position on.

        Raises:
            OSError: the base image was overwritten.
        """
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


def _cipher(secret: str) -> Fernet:
    # The secret is as random as a key: it needs to be spread (RFC 5869), not to be stretched as a password would.
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"bringup run image").derive(secret.encode())
    return Fernet(urlsafe_b64encode(key))


def _trust(settings: Settings) -> str | None:
    """The whole file: while a CA is being replaced, it holds the old and the new one."""
    return settings.path_of("api_tls_ca").read_text(encoding="ascii") if settings.api_use_tls else None
