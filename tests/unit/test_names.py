"""A name has one meaning: no public class exists twice in the product."""

import ast
from collections import Counter
from pathlib import Path

from tests.unit.trees import tree_of

ROOT = Path(__file__).parents[2]
ROOMS = (
    "agent",
    "api",
    "bringup",
    "bringup_cli",
    "console",
    "selftest",
    "dhcp_tailer",
    "pki",
    "workers",
    "scripts",
    "bench",
)
# The agent runs in the image with the standard library alone: it has its own copy of what both sides must have alike.
BOTH_SIDES_OF_THE_WIRE = frozenset({"CheckResult", "CheckStatus", "ConnectionSettings"})


def _public_classes(tree: ast.Module) -> list[str]:
    return [n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]


def test_each_public_class_name_exists_once() -> None:
    found = Counter(
        name for room in ROOMS for path in (ROOT / room).rglob("*.py") for name in _public_classes(tree_of(path))
    )
    assert found.total() > 300  # the rooms were found
    assert {name for name, count in found.items() if count > 1} == BOTH_SIDES_OF_THE_WIRE


def test_a_name_that_is_used_again_is_found() -> None:
    assert _public_classes(ast.parse("class Verdict: ...\nclass _Own: ...\nclass Verdict: ...")) == [
        "Verdict",
        "Verdict",
    ]
