"""The bill of materials names every part of a release, by its hash, and is the same for the same parts."""

import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.package import sbom

COMMITTED_AT = datetime(2026, 11, 29, tzinfo=UTC)


def wheel(folder: Path, name: str, licence: str = "License-Expression: MIT") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        head = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{licence}\n\nText\n"
        archive.writestr(f"{name}-1.0.dist-info/METADATA", head)
        archive.writestr(f"{name}/vendored/other-2.0.dist-info/METADATA", "Name: other\nVersion: 2.0\n")
    return path


def test_a_wheel_is_named_by_its_package_url_and_hash(tmp_path: Path) -> None:
    path = wheel(tmp_path, "zope_event")
    found = sbom.wheel_component(path)
    assert (found["purl"], found["version"]) == ("pkg:pypi/zope-event@1.0", "1.0")
    assert found["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("License-Expression: MIT", [{"expression": "MIT"}]),
        ("License: BSD\n and its text", [{"license": {"name": "BSD"}}]),
        ("Classifier: License :: OSI Approved :: MIT License", [{"license": {"name": "MIT License"}}]),
        ("Summary: none", None),
    ],
)
def test_the_licence_is_what_the_wheel_states(tmp_path: Path, lines: str, expected: object) -> None:
    assert sbom.wheel_component(wheel(tmp_path, "flask", lines)).get("licenses") == expected


def test_a_debian_package_is_named_by_its_package_url() -> None:
    assert sbom.debian_component("redis-server 5:7.0.15-1 ab12")["purl"].startswith(
        "pkg:deb/debian/redis-server@5:7.0.15"
    )


def test_the_order_of_parts_changes_nothing(tmp_path: Path) -> None:
    parts = [sbom.wheel_component(wheel(tmp_path, name)) for name in ("bringup", "flask", "rq")]
    one, two = (sbom.document("1.0", order, COMMITTED_AT) for order in (parts, parts[::-1]))
    assert json.dumps(one) == json.dumps(two)


def test_bringup_depends_on_every_other_part(tmp_path: Path) -> None:
    parts = [sbom.wheel_component(wheel(tmp_path, name)) for name in ("bringup", "flask", "rq")]
    found = sbom.document("1.0", parts, COMMITTED_AT)
    assert found["metadata"]["component"]["purl"] == "pkg:pypi/bringup@1.0"
    assert found["dependencies"] == [
        {"ref": "pkg:pypi/bringup@1.0", "dependsOn": ["pkg:pypi/flask@1.0", "pkg:pypi/rq@1.0"]}
    ]
