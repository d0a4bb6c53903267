"""The file of operators: who is in it, and that a wrong one lets nobody in."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bringup.errors import OperatorsError
from bringup.operators import Operator, OperatorRole, Operators, token_hash

ADDED = datetime(2026, 1, 1, tzinfo=UTC)


def operator(name: str, token: str, role: OperatorRole = OperatorRole.OPERATOR) -> Operator:
    return Operator(name=name, role=role, token_sha256=token_hash(token), added=ADDED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "operators.toml"
    Operators([operator("alice", "a" * 32), operator("bob", "b" * 32, OperatorRole.VIEWER)]).write(path)
    return path


def test_what_was_written_is_read_again(path: Path) -> None:
    operators = Operators.read(path)
    assert {name: one.role for name, one in operators.by_name.items()} == {"alice": "operator", "bob": "viewer"}


def test_a_token_leads_to_its_bearer_alone(path: Path) -> None:
    operators = Operators.read(path)
    found = operators.of_token("b" * 32)
    assert found
    assert found.name == "bob"
    assert operators.of_token("c" * 32) is None
    assert operators.of_token("") is None


def test_no_token_stands_in_the_file_and_nobody_else_reads_it(path: Path) -> None:
    assert "a" * 32 not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_file_there_is_nobody(tmp_path: Path) -> None:
    assert not Operators.read(tmp_path / "operators.toml")


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(OperatorsError, match="chmod 600"):
        Operators.read(path)


@pytest.mark.parametrize(
    "text",
    [
        "[[operator]]\nname = 'alice'",
        "[[operator",
        "operator = 3",
        "operator = ['alice']",
        f"[[operator]]\nname = 'Al ice'\nrole = 'operator'\ntoken_sha256 = '{'0' * 64}'\nadded = 2026-01-01T00:00:00Z",
        f"[[operator]]\nname = 'alice'\nrole = 'root'\ntoken_sha256 = '{'0' * 64}'\nadded = 2026-01-01T00:00:00Z",
    ],
)
def test_a_file_that_is_wrong_is_refused_as_a_whole(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(OperatorsError, match="OPERATORS_FILE"):
        Operators.read(path)


def test_a_name_is_given_once(path: Path) -> None:
    with pytest.raises(OperatorsError, match="already"):
        Operators.read(path).adding(operator("alice", "c" * 32))


def test_who_was_removed_has_no_token_any_more(path: Path) -> None:
    Operators.read(path).removing("alice").write(path)
    assert Operators.read(path).of_token("a" * 32) is None
    with pytest.raises(OperatorsError, match="there are: bob"):
        Operators.read(path).removing("alice")


@pytest.mark.parametrize("name", ["Alice", "al ice", "-alice", "a" * 41, "", "alice\n"])
def test_a_name_that_no_certificate_can_have_is_refused_in_plain_words(name: str) -> None:
    with pytest.raises(ValueError, match="must be up to 40 lower case letters, digits and -, such as alice"):
        Operator(name=name, role=OperatorRole.OPERATOR, token_sha256="0" * 64, added=datetime.now(UTC))
