"""The images of runs: one address for each minting, good for its run alone and as long as that goes on."""

from cryptography.fernet import InvalidToken

from api.images import crypto
from api.images.base_image import BaseImageFile
from api.images.delivery import Readers
from api.images.run_image import area_of
from api.state.image_records import ImageRecords, KnownImage
from bringup.errors import CorruptRecord, RedisUnavailable
from bringup.wire.machine import IMAGE_FILE, RunParameters


class Images:
    """Mints images and finds them again by their secret. Redis never holds a secret, nor a token in clear."""

    def __init__(self, records: ImageRecords, base: BaseImageFile) -> None:
        self.records = records
        self.base = base
        self.readers = Readers()

    def mint(self, parameters: RunParameters, secret: str) -> str:
        """The path of a new image, below /api/v1; the one before it of the same run stops working.

        Args:
            secret: from `crypto.new_secret`.

        Raises:
            ParametersTooLarge: they do not fit into the image.
        """
        area_of(parameters)
        sealed = crypto.seal(secret, parameters.model_dump_json().encode())
        self.records.put(parameters.run_id, crypto.locator(secret), base=self.base.current().digest, sealed=sealed)
        return f"/images/{secret}/{IMAGE_FILE}"

    def find(self, secret: str) -> KnownImage | None:
        """What ``secret`` leads to, whether or not it may still be read."""
        return self.records.find(crypto.locator(secret))

    def lives(self, secret: str) -> bool:
        """Whether the image may be read still; where that cannot be asked it may, for its run may well go on."""
        try:
            known = self.find(secret)
        except RedisUnavailable:
            return True
        return known is not None and not known.state.ended

    def parameters(self, image: KnownImage, secret: str) -> RunParameters:
        """What the run's machine will know.

        Raises:
            CorruptRecord: another than the API has written it.
        """
        try:
            # What a newer version has added is for its agent: it is handed on as it is.
            return RunParameters.model_validate_json(crypto.unseal(secret, image.sealed), extra="allow")
        except (InvalidToken, ValueError):
            raise CorruptRecord("the parameters of a run's image in Redis cannot be read") from None
