"""A sign of life of this host's inventory, also while nobody calls the API."""

import time

from api.state.inventory_hosts import BEAT_EVERY_S
from api.state.store import Store
from bringup import log
from bringup.errors import BringupError


def keep_comparing(store: Store) -> None:
    """Publish our inventory and compare it with those of other hosts, for ever. Meant for a thread of its own."""
    while True:
        try:
            store.inventory_differences()
        except BringupError as error:  # Redis is away, or our file is wrong: every call of the API says so, too
            log.get("api").debug("the inventories of the API hosts were not compared", why=str(error))
        time.sleep(BEAT_EVERY_S)
