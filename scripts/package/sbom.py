"""Writes the bill of materials of a release: ``python3 scripts/package/sbom.py VERSION WHEELS [DEBIAN_LIST]``.

CycloneDX 1.6, JSON, made of what the wheels state of themselves and of their hashes. Python's library alone.

Source: https://cyclonedx.org/docs/1.6/json/, https://packaging.python.org/specifications/core-metadata/
"""

import hashlib
import json
import os
import sys
import uuid
import zipfile
from datetime import UTC, datetime
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

Component = dict[str, Any]


def wheel_component(wheel: Path) -> Component:
    """One Python package, by its own metadata."""
    metadata = _metadata(wheel)
    name, version = metadata["Name"].lower().replace("_", "-"), metadata["Version"]
    purl = f"pkg:pypi/{name}@{version}"
    component: Component = {
        "type": "application" if name == "bringup" else "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "hashes": [_sha256(hashlib.sha256(wheel.read_bytes()).hexdigest())],
        "purl": purl,
    }
    if licence := _licence(metadata):
        component["licenses"] = [licence]
    return component


def debian_component(line: str) -> Component:
    """One Debian package: a line ``NAME VERSION SHA256``."""
    name, version, digest = line.split()
    purl = f"pkg:deb/debian/{name}@{version}?distro=bookworm"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "hashes": [_sha256(digest)],
        "purl": purl,
    }


def document(version: str, components: list[Component], made_at: datetime) -> Component:
    """The whole document; the same components give the same bytes.

    Args:
        version: of bringup.
        components: of the release, bringup itself included.
        made_at: the time of the commit.
    """
    own = next(one for one in components if one["name"] == "bringup")
    others = sorted((one for one in components if one is not own), key=lambda one: str(one["bom-ref"]))
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([own, *others], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"timestamp": made_at.isoformat(), "component": {**own, "version": version}},
        "components": others,
        "dependencies": [{"ref": own["bom-ref"], "dependsOn": [one["bom-ref"] for one in others]}],
    }


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA") and one.count("/") == 1)
        return Parser().parsestr(archive.read(name).decode())


def _licence(metadata: Message) -> Component | None:
    if expression := metadata["License-Expression"]:
        return {"expression": expression}
    text = metadata["License"] or next(
        (one.rsplit(" :: ", 1)[-1] for one in metadata.get_all("Classifier", []) if one.startswith("License ::")), ""
    )
    first_line = str(text).strip().partition("\n")[0]
    return {"license": {"name": first_line}} if first_line else None


def _sha256(digest: str) -> Component:
    return {"alg": "SHA-256", "content": digest}


def main() -> None:
    """Print the document."""
    version, wheels, *lists = sys.argv[1:]
    components = [wheel_component(path) for path in sorted(Path(wheels).glob("*.whl"))]
    for path in lists:
        lines = Path(path).read_text(encoding="ascii").splitlines()
        components += [debian_component(line) for line in lines if not line.startswith("#")]
    made_at = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    print(json.dumps(document(version, components, made_at), indent=1))


if __name__ == "__main__":
    main()
