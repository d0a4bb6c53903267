"""Which leases matter."""

import os
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import InventoryError, SettingsError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.filters import Filters
from tests.conftest import MakeSettings

DEVICE = '[[device]]\nname = "r1"\nbmc_mac = "02:00:00:00:00:01"\nbmc = "https://10.0.0.1"\n'


def lease(mac: str = "02:00:00:00:00:01", ip: str = "10.77.4.16", vendor: str | None = None) -> LeaseEvent:
    return LeaseEvent(
        mac=mac,
        ip=ip_address(ip),
        action=LeaseAction.ASSIGNED,
        starts=datetime(2026, 11, 23, tzinfo=UTC),
        vendor_class=vendor,
        source="jsonl",
    )


def test_without_a_filter_every_lease_leads_to_a_run(make_settings: MakeSettings) -> None:
    assert Filters.of(make_settings()).outcome(lease()) is None


@pytest.mark.parametrize(
    ("ip", "outcome"),
    [("10.77.4.16", None), ("fd00:77::1", None), ("10.78.0.1", "filtered_network"), ("fd01::1", "filtered_network")],
)
def test_only_leases_of_the_networks_matter(make_settings: MakeSettings, ip: str, outcome: str | None) -> None:
    filters = Filters.of(make_settings(dhcp_networks="10.77.0.0/16, fd00:77::/64"))
    assert filters.outcome(lease(ip=ip)) == outcome


@pytest.mark.parametrize(
    ("vendor", "outcome"),
    [("iDRAC", None), ("HPE iLO 5", None), ("PXEClient", "filtered_vendor"), (None, "filtered_vendor")],
)
def test_only_vendor_classes_that_match_matter(make_settings: MakeSettings, vendor: Any, outcome: str | None) -> None:
    filters = Filters.of(make_settings(dhcp_vendor_pattern="^(iDRAC|HPE iLO)"))
    assert filters.outcome(lease(vendor=vendor)) == outcome


def test_no_pattern_and_no_text_of_a_device_makes_matching_slow(make_settings: MakeSettings) -> None:
    filters = Filters.of(make_settings(dhcp_vendor_pattern="(a+)+(a|a)*.*.*.*.*b$"))
    started = time.process_time()
    assert filters.outcome(lease(vendor="a" * 1024)) == "filtered_vendor"
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"dhcp_networks": "10.77.0.1/16"}, "DHCP_NETWORKS: must be networks"),
        ({"dhcp_networks": "all"}, "DHCP_NETWORKS: must be networks"),
        ({"dhcp_vendor_pattern": "(a"}, "DHCP_VENDOR_PATTERN: must be a regular expression"),
        ({"dhcp_vendor_pattern": r"(a)\1"}, "DHCP_VENDOR_PATTERN: must be a regular expression"),
        ({"dhcp_vendor_pattern": "a", "dhcp_source": "kea-csv"}, "reports no vendor class"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_at_start(make_settings: MakeSettings, variables: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_settings(**variables)


def test_only_machines_of_the_inventory_matter_and_the_inventory_may_grow(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    (tmp_path / "devices.toml").write_text(DEVICE)
    filters = Filters.of(make_settings(dhcp_inventory_only="true"))
    assert filters.outcome(lease()) is None
    assert filters.outcome(lease(mac="02:00:00:00:00:02")) == "filtered_inventory"
    (tmp_path / "devices.toml").write_text(DEVICE + DEVICE.replace("r1", "r2").replace(":01", ":02"))
    assert filters.outcome(lease(mac="02:00:00:00:00:02")) is None


def test_an_inventory_that_breaks_while_we_run_filters_no_lease_and_is_logged_once(
    make_settings: MakeSettings, tmp_path: Path, logged: Any
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(DEVICE)
    filters = Filters.of(make_settings(dhcp_inventory_only="true"))
    path.write_text("[[device")
    assert [filters.outcome(lease(mac="02:00:00:00:00:02")) for _ in range(3)] == [None] * 3
    assert len(logged) == 1
    path.write_text(DEVICE)
    os.utime(path, (1, 1))
    assert filters.outcome(lease(mac="02:00:00:00:00:02")) == "filtered_inventory"


def test_an_inventory_that_is_missing_at_start_is_an_error(make_settings: MakeSettings) -> None:
    with pytest.raises(InventoryError):
        Filters.of(make_settings(dhcp_inventory_only="true"))
