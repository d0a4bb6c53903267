"""What `pip install bringup` brings is all that our programs need: a developer's tools must not fill a gap."""

import json
import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Hides the modules named in its argument, as if they were not installed, and imports every module of ours.
IMPORT_ALL = """
import importlib, json, pkgutil, sys
hidden = set(json.loads(sys.argv[1]))
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
for name in ("bringup", "bringup_cli", "selftest", "api", "workers", "dhcp_tailer", "pki"):
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def required_by(name: str) -> set[str]:
    """The distribution and everything that it requires, with the extras that are asked for."""
    closure: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "")]
    while waiting:
        distribution, extra = found = waiting.pop()
        if found in closure:
            continue
        closure.add(found)
        for requirement in map(Requirement, metadata.requires(distribution) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), wanted) for wanted in {"", *requirement.extras}]
    return {distribution for distribution, _ in closure}


def test_all_modules_import_with_the_required_packages_alone() -> None:
    required = required_by("bringup")
    owners = metadata.packages_distributions()
    hidden = [name for name, by in owners.items() if not {canonicalize_name(owner) for owner in by} & required]
    assert "pytest" in hidden
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps(hidden)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
