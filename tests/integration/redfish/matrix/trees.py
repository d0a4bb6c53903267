"""The resources of a simulated BMC, as families differ in them: ids, slashes, what is missing, what is null."""

from typing import Any

ROOT = "/redfish/v1"
Tree = dict[str, dict[str, Any]]


def link(path: str) -> dict[str, str]:
    """A link as the schema has it."""
    return {"@odata.id": path}


def collection(path: str, members: list[str]) -> dict[str, Any]:
    """A collection with its links."""
    return {"@odata.id": path, "Members": [link(one) for one in members], "Members@odata.count": len(members)}


def boot(*targets: str, mode: str | None = "UEFI", **more: Any) -> dict[str, Any]:
    """The Boot object; no targets: the BMC does not list them."""
    body: dict[str, Any] = {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}
    if targets:
        body["BootSourceOverrideTarget@Redfish.AllowableValues"] = ["None", *targets]
    return body | ({"BootSourceOverrideMode": mode} if mode else {}) | more


def slot(path: str, *types: str, insert: bool = True, **more: Any) -> dict[str, Any]:
    """A slot for virtual media with the standard actions."""
    body: dict[str, Any] = link(path) | {"Id": path.rpartition("/")[2], "Image": None, "Inserted": False}
    if types:
        body["MediaTypes"] = list(types)
    if insert:
        body["Actions"] = {
            f"#VirtualMedia.{name}": {"target": f"{path}/Actions/VirtualMedia.{name}"}
            for name in ("InsertMedia", "EjectMedia")
        }
    return body | more


def tree_of(
    maker: str,
    *,
    system: str,
    manager: str,
    slots: list[dict[str, Any]],
    boot: dict[str, Any],
    under: str = "Managers",
    model: str = "",
    **more: Any,
) -> Tree:
    """Root, one system, one manager and their slots.

    Args:
        system, manager: their ids.
        under: "Systems" or "Managers": whose slots they are.
        more: of the system.
    """
    at, by = f"{ROOT}/Systems/{system}", f"{ROOT}/Managers/{manager}"
    media = f"{at if under == 'Systems' else by}/VirtualMedia"
    body: dict[str, Any] = link(at) | {
        "Id": system,
        "Manufacturer": maker,
        "Model": model,
        "SerialNumber": f"S-{system}",
    }
    body |= {"UUID": "4c4c4544-0001-4001-8001-b4c04f000001", "PowerState": "On", "Boot": boot}
    body |= {"Links": {"ManagedBy": [link(by)]}, "Actions": reset(at)}
    owner: dict[str, Any] = {"VirtualMedia": link(media)}
    tree = {
        ROOT: root(),
        f"{ROOT}/Systems": collection(f"{ROOT}/Systems", [at]),
        at: body | (owner if under == "Systems" else {}) | more,
        f"{ROOT}/Managers": collection(f"{ROOT}/Managers", [by]),
        by: link(by) | {"Id": manager} | (owner if under == "Managers" else {}),
        media: collection(media, [one["@odata.id"] for one in slots]),
    }
    return tree | {one["@odata.id"].rstrip("/"): one for one in slots}


def root() -> dict[str, Any]:
    """The service root."""
    return {
        "Id": "RootService",
        "RedfishVersion": "1.6.0",
        "Systems": link(f"{ROOT}/Systems"),
        "Managers": link(f"{ROOT}/Managers"),
        "SessionService": link(f"{ROOT}/SessionService"),
        "Links": {"Sessions": link(f"{ROOT}/SessionService/Sessions")},
    }


def reset(system: str) -> dict[str, Any]:
    """The power action."""
    action = {"target": f"{system}/Actions/ComputerSystem.Reset"}
    return {"#ComputerSystem.Reset": action | {"ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"]}}


def settings(tree: Tree, path: str, body: dict[str, Any], system: str) -> Tree:
    """The same tree with a settings object of the system."""
    there = {"SettingsObject": link(path)}
    return tree | {path: link(path) | body, system: tree[system] | {"@Redfish.Settings": there}}
