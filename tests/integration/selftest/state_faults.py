"""The faults of what the API remembers, and of what it needs besides Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.state.installation import ID_FILE, MEMORY_FILE
from bringup import keys
from selftest.target_installation import TargetInstallation
from tests.integration.selftest.faults import Inject, fault
from tests.integration.selftest.site import Changes, Site


@contextmanager
def another_installation(site: Site) -> Iterator[Changes]:
    """Redis is that of another one: a backup, another database."""
    TargetInstallation(site.settings).api_client().readiness()  # from then on it knows which one is its own
    site.keeper.set(keys.INSTALLATION, "another")
    try:
        yield {}
    finally:  # the API may have accepted it meanwhile
        site.keeper.set(keys.INSTALLATION, (site.settings.state_dir / ID_FILE).read_text().strip())


def state_file(name: str, text: str) -> Inject:
    """What the API remembers cannot be read."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        path = site.settings.state_dir / name
        before = path.read_bytes() if path.exists() else None
        path.write_text(text)
        try:
            yield {}
        finally:
            path.unlink() if before is None else path.write_bytes(before)

    return inject


@contextmanager
def no_inventory(site: Site) -> Iterator[Changes]:
    path = site.settings.devices_file
    before = path.read_bytes()
    path.write_text("[[device]\n")
    try:
        yield {}
    finally:
        path.write_bytes(before)


@contextmanager
def no_inventory_there(site: Site) -> Iterator[Changes]:
    """The self-test's own host has a good one."""
    here = site.folder / "devices-here.toml"
    here.touch()
    with no_inventory(site):
        yield {"devices_file": here}


WITH_TLS = (
    fault(
        "Redis is of another installation",
        another_installation,
        {"3e"},
        "3e",
        "every machine is withheld",
        "--accept-redis",
    ),
    fault("the API's memory is damaged", state_file(MEMORY_FILE, "x"), {"3e"}, "3e", "every machine is withheld"),
    fault("the API's identity is damaged", state_file(ID_FILE, "another"), {"3e"}, "3e", "does not remember"),
    fault("the API cannot read its inventory", no_inventory, {"8"}, "8", "inventory.md"),
    fault(
        "an API on another host cannot read its inventory",
        no_inventory_there,
        {"3f"},
        "3f",
        "the inventory cannot be read",
    ),
)
WITHOUT_TLS = (
    fault("Redis is of another installation", another_installation, {"3e"}, "3e", "every machine is withheld"),
    fault("the API cannot read its inventory", no_inventory, {"8"}, "8", "inventory.md"),
)
