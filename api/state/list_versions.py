"""The versions of the lists, for their ETags: what changes whenever a list may show something else."""

from api.state.batch import Asked, Batch
from api.state.boot_slots import BootSlots
from api.state.feed import LAST_CHANGE
from api.state.installation import Installation
from api.state.inventories import InventoryHosts
from api.state.redis import Database
from bringup import keys, model


class ListVersions:
    """Reads versions, each in one round trip.

    Args:
        hosts: whether the API hosts agree about a device.
        installation: whether Redis has lost data.
        slots: whether one is free.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database, hosts: InventoryHosts, installation: Installation, slots: BootSlots) -> None:
        self._database = database
        self._hosts = hosts
        self._installation = installation
        self._boot_slots = slots

    def of_runs(self) -> tuple[str, bool]:
        """Another one whenever what `Lists.runs` reads may be another; and whether a boot slot is free.

        The time of the last change: after a loss that a person has accepted, numbers come again. The hour: runs that
        are older than RUN_KEEP_DAYS expire without a change.
        """
        batch = Batch()
        numbers, is_slot_free = _ask_numbers(batch, keys.RUNS_VERSION), self._boot_slots.ask_free(batch)
        self._database.read(batch)
        return f"{numbers()} {is_slot_free()} {model.utc_now():%j %H}", is_slot_free()

    def of_devices(self) -> str | None:
        """Another one whenever what `Lists.devices` reads may be another.

        None: it is not known, for the API hosts have different inventories, and another host's may change now.
        """
        batch = Batch()
        status, hosts = self._installation.ask(batch), self._hosts.ask(batch)
        numbers = _ask_numbers(batch, keys.DEVICES_VERSION)
        self._database.read(batch)
        withheld, differences = status().withheld, hosts()
        return None if differences.others else f"{numbers()} {withheld} {self._hosts.digest()}"


def _ask_numbers(batch: Batch, version: str) -> Asked[list[bytes]]:
    return batch.ask(list, "EVAL", LAST_CHANGE, 3, keys.CHANGE_NUMBER, keys.CHANGES, version)
