"""Which medium in a virtual drive is ours: only that one is ever taken out."""

import hashlib
from dataclasses import dataclass

from bringup.text import image_secret
from bringup.wire.machine import IMAGE_FILE
from bringup.wire.run import RunDetail


@dataclass(frozen=True)
class OwnMedia:
    """The images that bringup has put into one machine.

    Args:
        run_id: the run that they belong to.
        secrets_sha256: hex SHA-256 of the secret in the address of each; the secrets themselves are not kept.
    """

    run_id: str
    secrets_sha256: frozenset[str] = frozenset()

    def owns(self, shown: str) -> bool:
        """Whether what a BMC shows of a medium is one of ours.

        A BMC that shortens addresses shows the name of the file alone: where nothing else is shown, that must do. An
        address without our secret is somebody else's, whatever its file is called.
        """
        secret = image_secret(shown)
        if secret is not None:
            return hashlib.sha256(secret.encode()).hexdigest() in self.secrets_sha256
        return bool(self.secrets_sha256) and shown == IMAGE_FILE


def own_media(run: RunDetail) -> OwnMedia:
    """What bringup has put into the machine of ``run``."""
    return OwnMedia(run.run_id, frozenset(run.media_sha256))
