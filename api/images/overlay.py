"""The image of one run: the base image with the run's parameters laid over its area. It is nowhere on disk."""

import io
import os
from typing import TYPE_CHECKING

from api.images.base_image import BaseImage

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


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
