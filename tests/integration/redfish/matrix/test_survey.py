"""`bringup bmc check` on each family: it only reads, and shows what a run would do; its capture can be replayed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import BmcRejected
from bringup.settings import Settings
from tests.integration.redfish.matrix.conftest import IMAGE, Simulated, boot_it, run_of
from tests.integration.redfish.matrix.families import FAMILIES
from tests.integration.redfish.matrix.mockup import names_in, read_mockup
from tests.integration.redfish.matrix.server import PASSWORD, SESSIONS, SimulatedRedfish, served
from workers.redfish import RedfishBmc
from workers.redfish.capture import anonymised, read_all, write_mockup
from workers.redfish.connection import RedfishConnection
from workers.redfish.login import Login, read_credential
from workers.redfish.survey import Survey, survey
from workers.redfish.transport import GivenAddress

BOOTING = [family for family in FAMILIES if not family.reason]
NAMED = {family.name: family for family in FAMILIES}


@contextmanager
def logged_in(
    bmc: SimulatedRedfish, settings: Settings, *, basic: bool = False
) -> Iterator[tuple[RedfishConnection, Login]]:
    connection = RedfishConnection(GivenAddress(bmc.address), settings, sleep=lambda _s: None)
    login = Login(connection, read_credential("rack1", settings.bmc_credentials_dir), basic_only=basic)
    try:
        yield connection, login
    finally:
        login.close()


def look_at(simulated: Simulated, settings: Settings, *, basic: bool = False) -> Survey:
    family, bmc = simulated
    with logged_in(bmc, settings, basic=basic) as (connection, login):
        return survey(connection, login, settings, **family.record)


def only(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("simulated", [NAMED[name]], ids=str, indirect=True)


@pytest.mark.parametrize("simulated", FAMILIES, ids=str, indirect=True)
def test_nothing_but_reads_a_login_and_a_logout_is_sent(simulated: Simulated, settings: Settings) -> None:
    _family, bmc = simulated
    before = json.dumps(bmc.tree, sort_keys=True)
    look_at(simulated, settings)
    sent = {(method, path) for method, path, _ in bmc.log if method not in {"GET", "HEAD"}}
    assert sent <= {("POST", SESSIONS), ("DELETE", f"{SESSIONS}/1")}
    assert json.dumps(bmc.tree, sort_keys=True) == before


@only("HPE iLO 5")
def test_with_basic_not_even_a_session_is_opened(simulated: Simulated, settings: Settings) -> None:
    look_at(simulated, settings, basic=True)
    assert {method for method, _, _ in simulated[1].log} == {"GET"}


@pytest.mark.parametrize("simulated", BOOTING, ids=str, indirect=True)
def test_what_a_run_would_use_is_what_a_run_uses(simulated: Simulated, settings: Settings) -> None:
    family, bmc = simulated
    found = look_at(simulated, settings)
    assert found.problems == []
    assert found.system == family.system
    assert family.target in {found.boot_targets["cd"], "VCD-DVD"}
    tried = sorted((slot for slot in found.slots if slot.order), key=lambda slot: slot.order or 0)
    free = [slot.path.rstrip("/").rpartition("/")[2] for slot in tried if slot.holds == "nothing"]
    willing = [slot for slot in free if slot not in family.behaviour.slot_refuses]
    assert willing[0] == ("CfgCD" if family.name == "Supermicro X10" else family.used)
    assert bmc.writes == []


@pytest.mark.parametrize(
    ("simulated", "quirk"),
    [
        (NAMED["Lenovo XCC"], "Image is set by PATCH"),
        (NAMED["AMI FutureState"], "written to the settings object /redfish/v1/Systems/Self/SD"),
        (NAMED["Gigabyte, AMI MegaRAC"], "shows no MediaTypes and counts as a disc"),
        (NAMED["Gigabyte, AMI MegaRAC"], "shows weak ETags"),
        (NAMED["Supermicro X13"], "boot as UsbCd"),
        (NAMED["Supermicro X13"], "BootSourceOverrideMode is UEFI"),
        (NAMED["Supermicro X10"], "driven by Supermicro IsoConfig"),
        (NAMED["Huawei iBMC"], "driven by Huawei VmmControl"),
        (NAMED["Dell iDRAC 9 with old firmware"], "booted by Dell's VCD-DVD, set at /redfish/v1/Managers/"),
        (NAMED["OpenBMC"], "can check the image server's certificate"),
        (NAMED["OpenBMC"], "asks for TransferMethod besides the image"),
        (NAMED["Dell iDRAC 9, session limit reached"], "no session: name and password are sent"),
    ],
    ids=str,
    indirect=["simulated"],
)
def test_a_quirk_is_recognised(simulated: Simulated, quirk: str, settings: Settings) -> None:
    assert any(quirk in line for line in look_at(simulated, settings).quirks)


@only("Intel S2600, no media shown")
def test_what_would_fail_is_named_with_what_works_instead(simulated: Simulated, settings: Settings) -> None:
    found = look_at(simulated, settings)
    assert found.problems == ["media: no slot can take the image; a run would end as media_rejected"]
    assert any("uefi-http" in line for line in found.alternatives)


@only("NVIDIA GB300")
def test_several_systems_are_listed_and_one_is_asked_for(simulated: Simulated, settings: Settings) -> None:
    with logged_in(simulated[1], settings) as (connection, login):
        undecided = survey(connection, login, settings)
    assert "2 systems behind this BMC" in undecided.problems[0]
    with logged_in(simulated[1], settings) as (connection, login):
        decided = survey(connection, login, settings, serial="S-System_0")
    assert (decided.system, decided.problems) == ("/redfish/v1/Systems/System_0", [])


@pytest.mark.parametrize("simulated", BOOTING, ids=str, indirect=True)
def test_a_capture_boots_as_its_bmc_does(simulated: Simulated, settings: Settings, tmp_path: Path) -> None:
    family, bmc = simulated
    with logged_in(bmc, settings) as (connection, login):
        login.open()
        write_mockup(anonymised(read_all(connection)), tmp_path / "capture")
    tree = read_mockup(tmp_path / "capture")
    system = next(path for path in tree if path.startswith("/redfish/v1/Systems/") and "Reset" in str(tree[path]))
    system = family.system if family.system in tree else system
    with served(SimulatedRedfish(tree, family.behaviour, system)) as again:
        run = run_of(again, bmc=again.address + (system if family.record else ""))
        driver = RedfishBmc(run, settings, sleep=lambda _s: None)
        boot_it(driver)
        driver.close()
        assert again.booted == [IMAGE]


def named_tree() -> dict[str, Any]:
    tree: dict[str, Any] = NAMED["Intel S2600, no media shown"].tree()
    system = tree["/redfish/v1/Systems/BQWL83850137"]
    system |= {
        "SerialNumber": "BQWL83850137",
        "HostName": "db7.corp.example.com",
        "EthernetInterfaces": {"@odata.id": "/redfish/v1/Systems/BQWL83850137/EthernetInterfaces"},
        "Oem": {"Note": "db7.corp.example.com at 10.20.30.40, b4:96:91:01:02:03", "Owner": {"UserName": "j.doe"}},
        "BiosVersion": "4.22.0.53",
        "AssetTag": "None",
    }
    at = "/redfish/v1/Systems/BQWL83850137/EthernetInterfaces"
    tree[at] = {"Members": [{"@odata.id": f"{at}/1"}]}
    tree[f"{at}/1"] = {"MACAddress": "B4:96:91:01:02:03", "IPv4Addresses": [{"Address": "10.20.30.40"}]}
    return tree


def test_a_capture_has_no_real_name_and_the_same_thing_has_the_same_name_everywhere() -> None:
    clean = anonymised(named_tree())
    text = json.dumps(clean)
    for name in ("BQWL83850137", "db7", "corp.example.com", "10.20.30.40", "96:91", "j.doe", "4c4c4544"):
        assert name.casefold() not in text.casefold()
    system = clean["/redfish/v1/Systems/SERIAL0001"]
    assert system["SerialNumber"] == "SERIAL0001"
    assert system["BiosVersion"] == "4.22.0.53", "a version is no address"
    assert system["AssetTag"] == "None", "a placeholder names no machine"
    port = clean["/redfish/v1/Systems/SERIAL0001/EthernetInterfaces/1"]
    assert port["MACAddress"] in system["Oem"]["Note"]
    assert port["IPv4Addresses"][0]["Address"] in system["Oem"]["Note"]
    assert list(names_in({"all": text.replace("4.22.0.53", "")})) == []


def test_a_capture_is_written_into_a_new_folder_only(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(BmcRejected, match="is not empty"):
        write_mockup({"/redfish/v1": {}}, tmp_path)
    assert (tmp_path / "mine").read_text() == "kept"


@only("HPE iLO 5")
@pytest.mark.parametrize(
    "link",
    [
        "/redfish/v1/../../../outside",
        "/redfish/v1/a\\..\\b",
        "/redfish/v1/a\x00b",
        "/etc/x",
        "/redfish/v1/Systems/index.json",
        f"/redfish/v1/{'€' * 199}",
    ],
)
def test_a_link_of_a_bmc_leads_to_no_file_outside(
    simulated: Simulated, settings: Settings, tmp_path: Path, link: str
) -> None:
    _family, bmc = simulated
    bmc.tree["/redfish/v1"]["Trap"] = {"@odata.id": link}
    bmc.tree[link.rstrip("/")] = {"Id": "trap"}
    with logged_in(bmc, settings) as (connection, login):
        login.open()
        found = read_all(connection)
    write_mockup(found, tmp_path / "a" / "b" / "capture")
    assert link not in found
    assert {path.name for path in (tmp_path / "a").rglob("*") if path.is_dir()} >= {"b", "capture", "redfish", "v1"}
    assert not list(tmp_path.rglob("*outside*"))
    assert "trap" not in json.dumps(list(found.values()))


def test_the_password_is_in_nothing_that_is_shown(settings: Settings) -> None:
    family = NAMED["HPE iLO 5"]
    with served(SimulatedRedfish(family.tree(), family.behaviour, family.system)) as bmc:
        assert PASSWORD not in json.dumps(look_at((family, bmc), settings).as_json())


@only("HPE iLO 5")
def test_a_bmc_that_offers_no_disc_to_boot_is_shown_with_what_it_offers(
    simulated: Simulated, settings: Settings
) -> None:
    _family, bmc = simulated
    boot = bmc.tree["/redfish/v1/Systems/1"]["Boot"]
    boot["BootSourceOverrideTarget@Redfish.AllowableValues"] = ["Pxe", "UefiHttp"]
    found = look_at(simulated, settings)
    assert [line for line in found.problems if "it offers Pxe, UefiHttp" in line]
    assert len(found.problems) == 1
    assert any("uefi-http" in line for line in found.alternatives)
    assert found.quirks


@only("HPE iLO 5")
def test_half_a_character_is_captured_as_it_was_sent(simulated: Simulated, settings: Settings, tmp_path: Path) -> None:
    simulated[1].tree["/redfish/v1/Systems/1"]["Model"] = "\ud800"
    with logged_in(simulated[1], settings) as (connection, login):
        login.open()
        write_mockup(read_all(connection), tmp_path / "capture")
    assert read_mockup(tmp_path / "capture")["/redfish/v1/Systems/1"]["Model"] == "\ud800"
