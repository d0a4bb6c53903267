"""The project's own source, parsed once for all tests that read the whole of it."""

import ast
from functools import cache
from pathlib import Path


@cache
def source_of(path: Path) -> str:
    """The text of a module."""
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(source_of(path))
