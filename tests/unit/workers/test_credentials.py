"""BMC credentials: a file that is ours alone, or a message that names it."""

import os
from pathlib import Path

import pytest

from bringup.errors import BmcRejected
from bringup.model import FailureReason
from workers.redfish.login import read_credential

GOOD = 'username = "root"\npassword = "s3cret-word"\n'


def put(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "rack1.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def refusal(folder: Path, name: str | None = "rack1") -> str:
    with pytest.raises(BmcRejected) as error:
        read_credential(name, folder)
    assert error.value.reason == FailureReason.BMC_AUTH
    return str(error.value)


def test_a_private_file_is_read_at_each_use(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    assert read_credential("rack1", tmp_path).password.get_secret_value() == "s3cret-word"
    put(tmp_path, GOOD.replace("s3cret", "n3w"), 0o400)
    assert read_credential("rack1", tmp_path).password.get_secret_value() == "n3w-word"


def test_the_password_is_in_no_text_of_the_credential(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    found = read_credential("rack1", tmp_path)
    assert "s3cret" not in f"{found} {found!r}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o610])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = put(tmp_path, GOOD, mode)
    assert f"chmod 0600 {path}" in refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(put(tmp_path, GOOD), 65534, -1)
    assert "belongs to another user" in refusal(tmp_path)


def test_a_missing_file_is_named_with_the_setting(tmp_path: Path) -> None:
    message = refusal(tmp_path)
    assert str(tmp_path / "rack1.toml") in message
    assert "BMC_CREDENTIALS_DIR" in message


@pytest.mark.parametrize(
    "text",
    ['username = "root"\n', GOOD + "more = 1\n", 'username = ""\npassword = "s3cret-word"\n', "s3cret-word", b"\xff"],
)
def test_a_wrong_file_is_named_and_none_of_it_is_shown(tmp_path: Path, text: str | bytes) -> None:
    path = put(tmp_path, text)
    message = refusal(tmp_path)
    assert str(path) in message
    assert "s3cret" not in message


def test_a_device_without_a_credential_is_refused(tmp_path: Path) -> None:
    assert "`credential`" in refusal(tmp_path, None)


@pytest.mark.parametrize("name", ["../rack1", "a/b", ".hidden", "..", ""])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    put(tmp_path, GOOD)
    refusal(tmp_path / "in", name)
