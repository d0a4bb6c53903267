"""Who reads an image from another address than its BMC's gets it without parameters, and is on the timeline once."""

import json
import socket
from typing import Any

import pytest

from bringup import keys, tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from tests.integration.api import test_images
from tests.integration.api.conftest import RUN_A, Api
from tests.integration.api.test_images import AREA_AT, REAL, REAL_MACHINES, MakeImages, base_image, media, path_of

base, images, make_images = test_images.base, test_images.images, test_images.make_images
BMC, OTHER = "10.0.0.5", "10.0.0.9"
AREA = slice(AREA_AT, AREA_AT + AREA_SIZE)


def read_from(api: Api, address: str, path: str, **headers: str) -> Any:
    answer = api.call("GET", path, token=None, headers=headers, environ_overrides={"REMOTE_ADDR": address})
    assert answer.data is not None
    return answer


def notes(api: Api, what: str, run_id: str = REAL) -> list[str]:
    return [entry["detail"] for entry in api.run(run_id)["timeline"] if entry["type"] == what]


def test_another_reads_the_base_image_and_does_not_know_the_parameters(images: Api) -> None:
    given = media(images)
    assert given["run_token"] == "", "a worker of version 0.1 needs the field"
    found = read_from(images, OTHER, path_of(given))
    assert (found.status_code, found.data) == (200, base_image())
    assert found.data[AREA].startswith(AREA_HEAD), "the agent names it as the base image"
    assert "token" in json.loads(read_from(images, BMC, path_of(given)).data[AREA])


def test_a_header_that_names_the_bmc_makes_no_bmc(images: Api) -> None:
    path = path_of(media(images))
    forged = {"X-Forwarded-For": BMC, "Forwarded": f"for={BMC}", "X-Real-Ip": BMC}
    assert read_from(images, OTHER, path, **forged).data == base_image()


def test_both_contents_have_a_name_of_their_own(images: Api) -> None:
    path = path_of(media(images))
    etags = [read_from(images, address, path, Range="bytes=0-9").headers["ETag"] for address in (BMC, OTHER)]
    assert etags[0] != etags[1]
    assert read_from(images, BMC, path, **{"If-Match": etags[1]}).status_code == 412


def test_others_are_noted_once_and_count_for_nothing(images: Api) -> None:
    path = path_of(media(images))
    for address in (OTHER, "10.0.0.10", OTHER):
        read_from(images, address, path)
    assert notes(images, "image_read") == []
    assert notes(images, "image_read_by_other") == [
        f"{OTHER} has read the image without the run's parameters: it is not the BMC's address"
    ]
    read_from(images, BMC, path)
    assert notes(images, "image_read") == [f"{BMC} has read the image with the run's parameters"]


def test_an_exception_is_given_the_parameters(make_images: MakeImages) -> None:
    api = make_images(image_readers="10.0.0.8/29")
    path = path_of(media(api))
    assert "token" in json.loads(read_from(api, OTHER, path).data[AREA])
    assert notes(api, "image_read") == [f"{OTHER} has read the image with the run's parameters"]
    assert read_from(api, "10.0.0.16", path).data == base_image()


def test_a_time_out_names_who_read_in_the_bmcs_place(make_images: MakeImages) -> None:
    api = make_images(boot_timeout_s=-1)
    path = path_of(media(api))
    for kind in ("media_inserted", "power_requested", "powered_off", "powered_on"):
        assert api.tell(REAL, kind).status_code == 202
    read_from(api, OTHER, path)
    api.tell(REAL, "deadline")
    run = api.run(REAL)
    assert run["reason"] == "media_not_read"
    assert f"{OTHER} read it without the run's parameters" in run["detail"]
    assert "IMAGE_READERS" in run["detail"]


def test_a_bmc_whose_name_cannot_be_resolved_gets_no_image_yet(
    make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = make_images()
    named = REAL_MACHINES.replace("https://10.0.0.5", "https://bmc.invalid")
    api.inventory.write_text(api.inventory.read_text().replace(REAL_MACHINES, named))
    assert api.lease(REAL).status_code == 201
    assert api.tell(REAL, "boot_started").status_code == 202
    answer = api.call("POST", f"/runs/{REAL}/media", {"owner": "w"})
    assert (answer.status_code, answer.json["type"]) == (503, "urn:bringup:unavailable")
    assert "bmc.invalid" in notes(api, "bmc_not_resolved")[0]
    found: Any = [(0, 0, 0, "", (address, 0)) for address in (BMC, "fd00::5")]
    look_up = socket.getaddrinfo

    def found_now(host: str, *rest: Any, **more: Any) -> Any:
        return found if host == "bmc.invalid" else look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found_now)
    path = path_of(api.ok("POST", f"/runs/{REAL}/media", {"owner": "w"}))
    monkeypatch.undo()
    for address in (BMC, f"::ffff:{BMC}", "fd00::5"):
        assert "token" in json.loads(read_from(api, address, path).data[AREA])
    assert read_from(api, "fd00::6", path).data == base_image()


def test_a_simulated_machine_has_an_image_of_the_area_alone_for_its_bmcs_address(api: Api) -> None:
    url = media(api, RUN_A)["image_url"]
    path = url.partition("/api/v1")[2]
    assert json.loads(read_from(api, "127.0.0.1", path).data)["run_id"] == RUN_A
    assert read_from(api, "127.0.0.2", path).data == AREA_HEAD.ljust(AREA_SIZE)


def test_production_has_no_image_for_a_simulated_machine(settings: Settings, make_images: MakeImages) -> None:
    assert settings.environment == "development"
    api = make_images(environment="production")
    assert media(api, RUN_A)["image_url"] is None


def test_an_image_that_an_api_of_the_version_before_has_minted_is_served_as_before(
    images: Api, settings: Settings
) -> None:
    path = path_of(media(images))
    redis: Any = connect_redis(settings, tls.ClientContexts(), name="tests")
    [key] = redis.keys(keys.image("*"))
    redis.hdel(key, "readers")
    assert "token" in json.loads(read_from(images, OTHER, path).data[AREA])
