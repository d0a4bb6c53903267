"""Which run an image carries; and how one that carries none is refused, without its secrets."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent import parameters
from agent.parameters import BadParameters
from bringup.wire.machine import AREA_HEAD, AREA_SIZE, RunParameters
from tests.unit.agent.tree import Tree

RUN = "02-00-00-00-00-01-1795426896"
GIVEN: dict[str, Any] = {
    "run_id": RUN,
    "callback_url": "https://api.example.net:8443/api/v1",
    "token": "the-token-of-a-test",
    "epoch": 1_795_000_000,
    "ca_pem": "a CA",
}


def area(text: str) -> bytes:
    return text.encode().ljust(AREA_SIZE)


def test_the_api_and_the_agent_mean_the_same_by_every_parameter() -> None:
    others = ("https://other.example.net/api/v1",)
    own = {"client_cert_pem": "c", "client_key_pem": "k", "after": "poweroff", "lldp_wait_s": 3.5}
    written = RunParameters.model_validate(GIVEN | own | {"other_callback_urls": others})
    read = parameters.parse(area(written.model_dump_json()))
    assert read._asdict() == written.model_dump(mode="json")


def test_an_agent_that_knows_one_address_alone_reads_the_parameters_of_a_site_with_one() -> None:
    assert "other_callback_urls" not in json.loads(RunParameters(**GIVEN).model_dump_json())
    plain = RunParameters(**GIVEN)
    assert parameters.parse(area(plain.model_dump_json()))._asdict() == plain.model_dump() | {"other_callback_urls": ()}


def test_the_base_image_reports_that_it_carries_no_run(tree: Tree) -> None:
    tree.put(parameters.PATH, AREA_HEAD.ljust(AREA_SIZE))
    with pytest.raises(BadParameters, match="carries no run"):
        parameters.read_parameters(tree.root)


def test_an_image_without_the_file_is_to_be_built_again(tmp_path: Path) -> None:
    with pytest.raises(BadParameters, match="build the image again"):
        parameters.read_parameters(tmp_path)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"ca_pem": None}, "no ca_pem"),
        ({"callback_url": "ftp://api.example.net"}, "callback_url must be"),
        ({"callback_url": "https://user:secret@api.example.net/"}, "callback_url must be"),
        ({"other_callback_urls": ["http://api.example.net"]}, "other_callback_urls must be"),
        ({"other_callback_urls": [7]}, "other_callback_urls must be"),
        ({"other_callback_urls": "https://api.example.net"}, "other_callback_urls is of a wrong kind"),
        ({"version": 2}, "version is 2"),
        ({"token": "a\nb"}, "token must be"),
        ({"token": 7}, "token is of a wrong kind"),
        ({"epoch": True}, "epoch is of a wrong kind"),
        ({"epoch": None}, "epoch is of a wrong kind"),
        ({"run_id": "../../x"}, "run_id is none"),
        ({"after": "reboot"}, "after must be"),
        ({"lldp_wait_s": 1e9}, "lldp_wait_s must be"),
        ({"client_cert_pem": "c"}, "go together"),
        ({"new\x1b": 1}, r"new\\x1b is not known"),
    ],
)
def test_what_makes_no_run_is_named_and_no_value_is_shown(change: dict[str, Any], shown: str) -> None:
    with pytest.raises(BadParameters, match=shown) as caught:
        parameters.parse(json.dumps(GIVEN | change).encode())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BadParameters):
        parameters.parse(raw)


def test_secrets_are_not_in_the_picture_of_the_parameters() -> None:
    assert GIVEN["token"] not in repr(parameters.parse(json.dumps(GIVEN).encode()))
