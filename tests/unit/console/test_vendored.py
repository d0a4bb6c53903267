"""What is vendored is what was vendored: the same bytes, with their licence."""

import hashlib
import re
from importlib.resources import files

STATIC = files("console").joinpath("static")


def test_htmx_is_the_one_that_the_list_names() -> None:
    text = STATIC.joinpath("VENDORED.md").read_text()
    version, digest = re.findall(r"htmx\.org (\S+) .*?SHA-256 `([0-9a-f]{64})`", text, re.DOTALL)[0]
    content = STATIC.joinpath("htmx.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    assert f'version:"{version}"'.encode() in content


def test_its_licence_is_beside_it() -> None:
    assert "Zero-Clause BSD" in STATIC.joinpath("htmx.LICENSE").read_text()
