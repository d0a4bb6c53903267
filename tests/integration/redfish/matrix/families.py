"""The families of BMCs: what each is documented to look like and to do, and how the driver must come through.

No capture of a real BMC is in here: resources and quirks are written from vendors' documents and from the issues of
projects that drive these machines; docs/redfish.md lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.redfish.matrix.behaviour import Behaviour, refusal
from tests.integration.redfish.matrix.trees import ROOT, Tree, boot, collection, link, reset, settings, slot, tree_of


@dataclass(frozen=True)
class Family:
    """One family.

    Args:
        system: the path of the machine's system.
        used: the id of the slot in which the image must end; "" where none can take it.
        target: the override target that must be set.
        detail: a part of the reason where the boot cannot work.
        reason: the failure reason then.
        record: what the inventory has of the machine, where the BMC has several.
    """

    name: str
    tree: Callable[[], Tree]
    system: str
    behaviour: Behaviour = field(default_factory=Behaviour)
    used: str = ""
    target: str = "Cd"
    detail: str = ""
    reason: str = ""
    record: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


_SYSTEMS, _MANAGERS = f"{ROOT}/Systems", f"{ROOT}/Managers"
_IN_POST = refusal(400, "x", MessageId="iLO.2.14.UnableToModifyDuringSystemPOST", Message="Unable to modify.")


def _ilo5() -> Tree:
    media = f"{_MANAGERS}/1/VirtualMedia"
    slots = [slot(f"{media}/1/", "Floppy", "USBStick"), slot(f"{media}/2/", "CD", "DVD")]
    for one in slots:
        for action in one["Actions"].values():
            action["target"] = action["target"].replace("//", "/")
    tree = tree_of("HPE", system="1", manager="1", slots=slots, boot=boot("Cd", "Hdd", "Usb", "UefiHttp"))
    tree[f"{_SYSTEMS}/1"]["Links"] = {"ManagedBy": [link(f"{_MANAGERS}/1/")]}
    return tree


def _idrac9() -> Tree:
    at = f"{_SYSTEMS}/System.Embedded.1"
    slots = [slot(f"{at}/VirtualMedia/{n}", "CD", "DVD", "USBStick") for n in (1, 2)]
    slots[0] |= {"Inserted": True, "Image": "//10.0.0.9/share/rescue.iso", "ConnectedVia": "URI"}
    system, manager = "System.Embedded.1", "iDRAC.Embedded.1"
    return tree_of(
        "Dell Inc.", system=system, manager=manager, slots=slots, boot=boot("Cd", "Pxe"), under="Systems", SKU="ABC1234"
    )


def _idrac9_old() -> Tree:
    by = f"{_MANAGERS}/iDRAC.Embedded.1"
    slots = [slot(f"{by}/VirtualMedia/CD", "CD", "DVD"), slot(f"{by}/VirtualMedia/RemovableDisk", "USBStick")]
    tree = tree_of(
        "Dell Inc.", system="System.Embedded.1", manager="iDRAC.Embedded.1", slots=slots, boot=boot("Cd", "Pxe")
    )
    action = f"{by}/Actions/Oem/EID_674_Manager.ImportSystemConfiguration"
    tree[by] |= {
        "FirmwareVersion": "4.22.00.53",
        "Actions": {"Oem": {"OemManager.v1_1_0#OemManager.ImportSystemConfiguration": {"target": action}}},
    }
    attributes = {"ServerBoot.1.BootOnce": "Disabled", "ServerBoot.1.FirstBootDevice": "Normal"}
    tree[by]["Links"] = {"Oem": {"Dell": {"DellAttributes": [link(f"{by}/Attributes")]}}}
    return tree | {f"{by}/Attributes": link(f"{by}/Attributes") | {"Attributes": attributes}}


def _idrac10() -> Tree:
    at = f"{_SYSTEMS}/System.Embedded.1"
    slots = [slot(f"{at}/VirtualMedia/{n}", "CD", "DVD", "USBStick") for n in (1, 2)]
    own = {"BootSourceOverrideMode": "UEFI"}
    tree = tree_of(
        "Dell Inc.", system="System.Embedded.1", manager="iDRAC.Embedded.1", slots=slots, boot=own, under="Systems"
    )
    return settings(tree, f"{at}/Settings", {"Boot": boot("Cd", "Pxe", "UefiHttp", mode=None)}, at)


def _supermicro_x13() -> Tree:
    slots = [slot(f"{_MANAGERS}/1/VirtualMedia/VirtualMedia{n}", "CD", "DVD") for n in (1, 2)]
    return tree_of("Supermicro", system="1", manager="1", slots=slots, boot=boot("Pxe", "UsbCd", "Cd", "UefiHttp"))


def _supermicro_x10() -> Tree:
    media = f"{_MANAGERS}/1/VirtualMedia"
    tree = tree_of("Supermicro", system="1", manager="1", slots=[], boot=boot("Pxe", "UsbCd", "Cd"))
    actions = {f"#IsoConfig.{n}": {"target": f"{media}/CfgCD/Actions/IsoConfig.{n}"} for n in ("Mount", "UnMount")}
    tree[media]["Oem"] = {"Supermicro": {"VirtualMediaConfig": link(f"{media}/CfgCD")}}
    return tree | {f"{media}/CfgCD": link(f"{media}/CfgCD") | {"Host": "", "Path": "", "Actions": actions}}


def _gb300() -> Tree:
    at, other = f"{_SYSTEMS}/System_0", f"{_SYSTEMS}/HGX_Baseboard_0"
    slots = [slot(f"{_MANAGERS}/BMC_0/VirtualMedia/{n}", "CD", insert=n == "USB1") for n in ("USB0", "USB1")]
    slots[0]["Actions"] = {}
    tree = tree_of("NVIDIA", system="System_0", manager="BMC_0", slots=slots, boot={}, model="GB300")
    tree[f"{_SYSTEMS}"] = collection(_SYSTEMS, [other, at])
    tree[other] = link(other) | {"Id": "HGX_Baseboard_0", "SerialNumber": "S-HGX", "Actions": reset(other)}
    return settings(tree, f"{at}/Settings", {"Boot": boot("Cd", "Pxe", "UefiHttp")}, at)


def _dgx() -> Tree:
    media = f"{_MANAGERS}/BMC/VirtualMedia"
    slots = [slot(f"{media}/CD1", "CD", "DVD"), slot(f"{media}/HD1", "USBStick")]
    return tree_of(
        "NVIDIA", system="DGX", manager="BMC", slots=slots, boot=boot("Cd", "UsbCd", "Pxe"), model="DGX H100"
    )


def _megarac() -> Tree:
    media = f"{_MANAGERS}/Self/VirtualMedia"
    slots = [slot(f"{media}/CD1", MediaTypes=None), slot(f"{media}/HD1", "USBStick")]
    return tree_of("GIGABYTE", system="Self", manager="Self", slots=slots, boot=boot("Cd", "Pxe", "Usb", mode="UEFI"))


def _futurestate() -> Tree:
    at = f"{_SYSTEMS}/Self"
    slots = [slot(f"{_MANAGERS}/Self/VirtualMedia/CD1", "CD", "DVD")]
    tree = tree_of("ZTSYSTEMS", system="Self", manager="Self", slots=slots, boot=boot("Cd", "Pxe", "UefiHttp"))
    return settings(tree, f"{at}/SD", {"Boot": boot("Cd", "Pxe", "UefiHttp")}, at)


def _xcc() -> Tree:
    media = f"{_MANAGERS}/1/VirtualMedia"
    refusing = [slot(f"{media}/RDOC{n}", "CD", "DVD", insert=False) for n in (1, 2)]
    patched = [
        slot(f"{media}/EXT{n}", "CD", "DVD", insert=False, WriteProtected=True, Actions={"Oem": {}})
        for n in (1, 2, 3, 4)
    ]
    remote = [slot(f"{media}/Remote{n}", "USBStick", insert=False) for n in (1, 2, 3, 4)]
    return tree_of(
        "Lenovo", system="1", manager="1", slots=[*refusing, *patched, *remote], boot=boot("Cd", "Usb", "Pxe")
    )


def _cimc() -> Tree:
    media = f"{_MANAGERS}/CIMC/VirtualMedia"
    slots = [slot(f"{media}/{n}", MediaTypes="DVD", Inserted=inserted) for n, inserted in (("0", "false"), ("1", None))]
    return tree_of(
        "Cisco Systems Inc", system="FCH2222V0AB", manager="CIMC", slots=slots, boot=boot("Cd", "Pxe", mode=None)
    )


def _huawei() -> Tree:
    path = f"{_MANAGERS}/1/VirtualMedia/CD"
    target = f"{path}/Oem/Huawei/Actions/VirtualMedia.VmmControl"
    oem = {"Huawei": {"Actions": {"#VirtualMedia.VmmControl": {"target": target}}}}
    return tree_of(
        "Huawei",
        system="1",
        manager="1",
        slots=[slot(path, "CD", insert=False, Oem=oem, Actions={})],
        boot=boot("Cd", "Pxe"),
    )


def _openbmc() -> Tree:
    media = f"{_MANAGERS}/bmc/VirtualMedia"
    slots = [slot(f"{media}/Legacy_0", "CD", "USBStick", insert=False, Actions={}), slot(f"{media}/Slot_0", "CD")]
    slots[1] |= {"VerifyCertificate": False, "Certificates": link(f"{media}/Slot_0/Certificates")}
    slots[1]["Actions"]["#VirtualMedia.InsertMedia"]["@Redfish.ActionInfo"] = f"{media}/Slot_0/InsertMediaActionInfo"
    tree = tree_of("", system="system", manager="bmc", slots=slots, boot=boot("Cd", "Pxe", mode="UEFI"))
    parameters: list[dict[str, Any]] = [
        {"Name": "Image", "Required": True},
        {"Name": "TransferMethod", "Required": True},
        {"Name": "WriteProtected", "Required": False},
    ]
    info = f"{media}/Slot_0/InsertMediaActionInfo"
    certificates = collection(f"{media}/Slot_0/Certificates", [])
    return tree | {info: link(info) | {"Parameters": parameters}, certificates["@odata.id"]: certificates}


def _intel() -> Tree:
    media = f"{_MANAGERS}/BMC/VirtualMedia"
    tree = tree_of(
        "Intel Corporation",
        system="BQWL83850137",
        manager="BMC",
        slots=[slot(f"{media}/CD", "CD")],
        boot=boot(mode=None),
        model="S2600WFT",
    )
    tree[media] |= {"Members": None, "Members@odata.count": 0}
    return tree


def _bare() -> Tree:
    """A BMC that shows as little as it may."""
    tree = tree_of("", system="1", manager="1", slots=[slot(f"{_MANAGERS}/1/VirtualMedia/a")], boot=boot(mode=None))
    system = tree[f"{_SYSTEMS}/1"]
    for name in ("Manufacturer", "Model", "SerialNumber", "UUID", "Links", "Id"):
        del system[name]
    del system["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"]
    tree[ROOT] |= {"Links": None, "Id": None}
    disc = tree[f"{_MANAGERS}/1/VirtualMedia/a"]
    del disc["Inserted"], disc["Image"]
    return tree


def _fujitsu() -> Tree:
    tree = tree_of("FUJITSU", system="0", manager="iRMC", slots=[], boot=boot("Cd", "Pxe", "UefiHttp"))
    media = f"{_MANAGERS}/iRMC/VirtualMedia"
    pages = [f"{media}/{n}" for n in (0, 1)]
    tree[media] = {
        "Members": [link(f"https://irmc.invalid{pages[0]}")],
        "Members@odata.nextLink": f"{media}?$skip=1",
    }
    return tree | {pages[0]: slot(pages[0], "CD", "DVD"), pages[1]: slot(pages[1], "USBStick")}


FAMILIES = [
    Family(
        "HPE iLO 5",
        _ilo5,
        f"{_SYSTEMS}/1",
        Behaviour(in_post=_IN_POST, eject_needs_body=True, transition_reads=3, insert_answer=200),
        used="2",
    ),
    Family(
        "Dell iDRAC 9",
        _idrac9,
        f"{_SYSTEMS}/System.Embedded.1",
        Behaviour(
            bootable_slots=frozenset({"2"}),
            mounts_after=5,
            ejects_after=25,
            first_refusals={
                ("POST", "InsertMedia"): (1, refusal(400, "x", MessageId="IDRAC.2.8.SYS011", Message="Pending.")),
                ("PATCH", "System.Embedded.1"): (
                    2,
                    refusal(400, "x", MessageId="IDRAC.2.8.SYS011", Message="Pending."),
                ),
            },
        ),
        used="2",
    ),
    Family(
        "Dell iDRAC 9, session limit reached",
        _idrac9,
        f"{_SYSTEMS}/System.Embedded.1",
        Behaviour(sessions="limit", bootable_slots=frozenset({"2"})),
        used="2",
    ),
    Family(
        "Dell iDRAC 9 with old firmware",
        _idrac9_old,
        f"{_SYSTEMS}/System.Embedded.1",
        Behaviour(boots_from=frozenset({"VCD-DVD"}), takes_boot_at=f"{_MANAGERS}/iDRAC.Embedded.1/Attributes"),
        used="CD",
        target="VCD-DVD",
    ),
    Family(
        "Dell iDRAC 10",
        _idrac10,
        f"{_SYSTEMS}/System.Embedded.1",
        Behaviour(takes_boot_at="settings", bootable_slots=frozenset({"1"}), on_refused_after_off=3),
        used="1",
    ),
    Family(
        "Supermicro X13",
        _supermicro_x13,
        f"{_SYSTEMS}/1",
        Behaviour(
            boots_from=frozenset({"UsbCd"}),
            resets_mode=True,
            insert_takes=frozenset({"Image", "UserName", "Password"}),
            insert_task=("Completed", "done"),
            mounts_after=40,
            keeps_name=True,
        ),
        used="VirtualMedia1",
        target="UsbCd",
    ),
    Family(
        "Supermicro X13 without a licence",
        _supermicro_x13,
        f"{_SYSTEMS}/1",
        Behaviour(
            slot_refuses={
                "VirtualMedia1": refusal(
                    403, "x", MessageId="SMC.1.0.OemLicenseNotPassed", Message="Not licensed to perform this request."
                )
            }
        ),
        detail="OemLicenseNotPassed",
        reason="media_rejected",
    ),
    Family(
        "Supermicro X10",
        _supermicro_x10,
        f"{_SYSTEMS}/1",
        Behaviour(boots_from=frozenset({"UsbCd"}), resets_mode=True),
        used="CD1",
        target="UsbCd",
    ),
    Family(
        "NVIDIA GB300",
        _gb300,
        f"{_SYSTEMS}/System_0",
        Behaviour(takes_boot_at="settings"),
        used="USB1",
        record={"serial": "S-System_0"},
    ),
    Family(
        "NVIDIA DGX",
        _dgx,
        f"{_SYSTEMS}/DGX",
        Behaviour(insert_needs=frozenset({"UserName", "Password"})),
        used="CD1",
    ),
    Family("Gigabyte, AMI MegaRAC", _megarac, f"{_SYSTEMS}/Self", Behaviour(needs_etag="strong"), used="CD1"),
    Family(
        "AMI FutureState",
        _futurestate,
        f"{_SYSTEMS}/Self",
        Behaviour(needs_etag="plain", takes_boot_at="settings"),
        used="CD1",
    ),
    Family(
        "Lenovo XCC",
        _xcc,
        f"{_SYSTEMS}/1",
        Behaviour(
            slot_refuses={
                f"RDOC{n}": refusal(400, "PropertyNotWritable", "The property Image is not writable.") for n in (1, 2)
            }
        ),
        used="EXT1",
    ),
    Family(
        "Cisco CIMC",
        _cimc,
        f"{_SYSTEMS}/FCH2222V0AB",
        Behaviour(
            insert_needs=frozenset({"TransferProtocolType"}),
            slot_refuses={"0": refusal(400, "ActionNotSupported", "The action is not supported on a vKVM device.")},
        ),
        used="1",
    ),
    Family(
        "Huawei iBMC", _huawei, f"{_SYSTEMS}/1", Behaviour(insert_task=("Completed", "done"), mounts_after=3), used="CD"
    ),
    Family(
        "Huawei iBMC that cannot fetch the image",
        _huawei,
        f"{_SYSTEMS}/1",
        Behaviour(insert_task=("Exception", "The image server cannot be reached.")),
        detail="The image server cannot be reached",
        reason="media_rejected",
    ),
    Family(
        "OpenBMC",
        _openbmc,
        f"{_SYSTEMS}/system",
        Behaviour(insert_needs=frozenset({"TransferMethod"}), sessions="no", drops_reads=4),
        used="Slot_0",
    ),
    Family(
        "Intel S2600, no media shown",
        _intel,
        f"{_SYSTEMS}/BQWL83850137",
        detail='boot_method = "uefi-http"',
        reason="media_rejected",
    ),
    Family("a BMC that shows as little as it may", _bare, f"{_SYSTEMS}/1", used="a"),
    Family("Fujitsu iRMC, two pages and absolute links", _fujitsu, f"{_SYSTEMS}/0", used="0"),
]
