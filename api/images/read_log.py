"""Puts on record what was read of a run's image, once its first bytes are gone and the request is over."""

from dataclasses import dataclass

from api.images.read_stats import ImageReads
from api.state.store import Store
from bringup import log
from bringup.errors import BringupError
from bringup.wire.machine import AREA_SIZE


@dataclass(frozen=True)
class ImageRecord:
    """The reading of one image by one caller.

    Args:
        area_at: where the run's parameters begin, in bytes.
        reader: address of who reads, for people.
    """

    reads: ImageReads
    store: Store
    run_id: str
    area_at: int
    reader: str

    def delivered(self, start: int, stop: int) -> None:
        """The bytes from ``start`` until before ``stop`` were taken. What cannot be counted is served all the same."""
        try:
            self._count(start, stop)
        except BringupError as error:
            log.get("api").warning("what was read of an image is not counted", run_id=self.run_id, why=str(error))

    def _count(self, start: int, stop: int) -> None:
        parameters = start < self.area_at + AREA_SIZE and stop > self.area_at
        if self.reads.add(self.run_id, stop - start, parameters=parameters):
            run = self.store.run(self.run_id)
            if run:
                self.store.note(run, "image_read", f"{self.reader} has read the image with the run's parameters")
