"""The cache of a large inventory file: for how long it says that the file is wrong."""

import os
import time
from pathlib import Path

import pytest

from api.state import inventory_cache
from bringup import files


def test_that_a_file_was_wrong_counts_for_a_while_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache, now = tmp_path / "devices.toml", tmp_path / "cache", [1000.0]
    path.write_text("wrong")
    monkeypatch.setattr(os, "nice", lambda _more: 0)
    monkeypatch.setattr(time, "time", lambda: now[0])
    inventory_cache.main(path, cache)
    signature = files.signature(path)
    assert signature
    found = []
    for at in (1000.0, 1000.0 + inventory_cache.RETRY_S - 1, 1000.0 + inventory_cache.RETRY_S, 999.0):
        now[0] = at
        found.append(inventory_cache._cached(cache, signature) is not None)
    assert found == [True, True, False, False]
