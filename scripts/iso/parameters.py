"""The archive that the API fills in for each run: the names and sizes of ``bringup.wire.machine``."""

from scripts.iso import cpio

AREA_SIZE = 64 * 1024
AREA_HEAD = b"#BRINGUP-RUN-PARAMETERS-V1 size=65536\n"


def blank() -> bytes:
    """An archive, to be stored as it is, that holds /etc/bringup/run.json: the head, then blanks."""
    area = AREA_HEAD.ljust(AREA_SIZE)
    return cpio.archive(
        [cpio.folder("etc"), cpio.folder("etc/bringup"), cpio.file("etc/bringup/run.json", area)],
    )
