"""What the API writes into the validation image of one run, for the agent that boots from it."""

from typing import Literal

from pydantic import Field, NonNegativeFloat

from bringup.model import RunId
from bringup.wire.base import Message

# The base image holds one area of this many bytes that begins with this line and is otherwise blank. The API
# serves the image with the area replaced by a `RunParameters` as JSON, filled up with blanks.
AREA_SIZE = 64 * 1024
IMAGE_FILE = "bringup-validation.iso"  # how every image is called at the end of its address
AREA_HEAD = b"#BRINGUP-RUN-PARAMETERS-V1 size=65536\n"


class RunParameters(Message):
    """What the agent must know of its run. It holds secrets: it goes to the machine's BMC and nowhere else."""

    version: Literal[1] = 1
    run_id: RunId
    callback_url: str  # with /api/v1, without a slash at its end
    token: str = Field(repr=False)
    epoch: int  # seconds; the machine's clock is never set to before this
    ca_pem: str | None = None  # the only trust anchors for callback_url; None with plain HTTP
    client_cert_pem: str | None = None  # for this run only, where the API asks machines for a certificate
    client_key_pem: str | None = Field(None, repr=False)
    after: Literal["poweroff", "wait"] = "wait"  # what the agent does once its run has ended
    lldp_wait_s: NonNegativeFloat = 35  # neighbours announce themselves every 30 s
