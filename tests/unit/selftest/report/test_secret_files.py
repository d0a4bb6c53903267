"""Passwords, tokens and keys: how strong, from where, and with which mode; never a value."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from pki.store import Store
from selftest.report import secret_files
from tests.unit.selftest.report.conftest import MakeResults


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("abcdefghijklmnopqrstuvwxyz012345", "strong"),
        ("abcdefghijklmnop", "fair: 32 characters are better"),
        ("abcdefgh" * 5, "fair: 32 characters are better"),
        ("abcdefghijklmno", secret_files.WEAK),
        ("abcabcabcabcabcabcabcabcabcabcabc", secret_files.WEAK),
        ("", secret_files.WEAK),
    ],
)
def test_a_secret_is_judged_by_its_length_and_its_variety(secret: str, words: str) -> None:
    assert secret_files.strength(secret) == words


def test_each_secret_is_listed_with_where_it_came_from_and_without_its_value(make_results: MakeResults) -> None:
    origins = {"API_TOKEN": ".env", "REDIS_PASSWORD": "environment"}
    results = make_results(origins=origins, api_token=SecretStr("a-token-that-must-not-be-shown"))
    text = "\n".join(secret_files.section(results.target))
    assert "| API_TOKEN | fair: 32 characters are better | .env |" in text
    assert "| REDIS_PASSWORD | strong | environment |" in text
    assert "must-not-be-shown" not in text


def test_a_secret_that_is_not_set_is_not_listed(make_results: MakeResults) -> None:
    names = {name for name, _, _ in secret_files.strengths(make_results(api_token=None).target)}
    assert names == {"REDIS_PASSWORD"}


def test_each_file_with_a_secret_is_listed_with_its_mode(
    make_results: MakeResults, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "redis").mkdir()
    for path, mode in ((Path("redis/worker.env"), 0o600), (Path("redis/users.acl"), 0o644), (Path(".env"), 0o640)):
        path.touch(mode=mode)
        path.chmod(mode)
    results = make_results(origins={"API_TOKEN": ".env", "REDIS_PASSWORD": str(tmp_path / ".env")})
    rows = {path: (mode, answer) for path, mode, answer in secret_files.files(results.target)}
    assert rows[".env"] == ("0640", "YES: chmod go= .env")
    assert rows["redis/users.acl"] == ("0644", "YES: chmod go= redis/users.acl")
    assert rows["redis/worker.env"] == ("0600", "no")
    assert rows[str(store.ca_key.relative_to(tmp_path))] == ("0600", "no")
    assert len(rows) == 7, "a file that is named twice is one"
