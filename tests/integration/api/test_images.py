"""The image of a run at the API: who may read it, how much of it, what is put on record, and what Redis knows."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
from redis.connection import Connection
from structlog.testing import capture_logs

from api.app import create_app, create_images_app
from api.images.base_image import BaseImageFile
from api.views import media as views_media
from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.errors import SettingsError
from bringup.settings import Settings
from bringup.wire.machine import AREA_HEAD, AREA_SIZE, RunParameters
from bringup.wire.run import Run
from tests.integration.api.conftest import INVENTORY, Api, without_tls

REAL = "02-00-00-00-00-05-1795426896"
PXE = "02-00-00-00-00-06-1795426896"
AREA_AT = 300_000
BODY = bytes(range(256)) * 3000
REAL_MACHINES = """
[[device]]
name = "real"
bmc_mac = "02:00:00:00:00:05"
bmc = "https://10.0.0.5"
credential = "rack"
[[device]]
name = "by-network"
bmc_mac = "02:00:00:00:00:06"
bmc = "https://10.0.0.6"
credential = "rack"
boot_method = "pxe"
"""


def base_image(body: bytes = BODY, areas: tuple[int, ...] = (AREA_AT,)) -> bytes:
    for at in areas:
        body = body[:at] + AREA_HEAD.ljust(AREA_SIZE) + body[at + AREA_SIZE :]
    return body


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.iso"
    path.write_bytes(base_image())
    return path


MakeImages = Callable[..., Api]


@pytest.fixture
def make_images(settings: Settings, make_api: Callable[[Settings], Api], base: Path) -> MakeImages:
    def make(**changes: object) -> Api:
        api = make_api(settings.model_copy(update={"validation_image": base, **changes}))
        api.inventory.write_text(INVENTORY + REAL_MACHINES)
        return api

    return make


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def images(make_images: MakeImages) -> Api:
    return make_images()


def media(api: Api, run_id: str = REAL) -> dict[str, Any]:
    """A run that has begun to boot, and what it was given."""
    assert api.lease(run_id).status_code == 201
    assert api.tell(run_id, "boot_started").status_code == 202
    return api.ok("POST", f"/runs/{run_id}/media", {"owner": "w"})


def path_of(given: dict[str, Any]) -> str:
    return str(given["image_url"]).partition("/api/v1")[2]


def read(api: Api, path: str, method: str = "GET", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    # As the BMC of "real".
    answer = api.call(method, path, token=None, headers=named, environ_overrides={"REMOTE_ADDR": "10.0.0.5"})
    assert answer.data is not None  # the client reads no further than it is asked to
    return answer


def test_the_image_is_the_base_with_the_parameters_of_the_run_in_its_area(images: Api) -> None:
    given = media(images)
    answer = read(images, path_of(given))
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(BODY)))
    served = answer.data
    assert served[:AREA_AT] == BODY[:AREA_AT]
    assert served[AREA_AT + AREA_SIZE :] == BODY[AREA_AT + AREA_SIZE :]
    told = RunParameters.model_validate_json(served[AREA_AT : AREA_AT + AREA_SIZE])
    assert (told.run_id, len(told.token), told.epoch) == (REAL, 43, given["epoch"])
    assert (told.callback_url, told.after, told.lldp_wait_s) == (given["callback_url"], "poweroff", 35)
    assert told.ca_pem is None


def test_what_the_image_says_is_good_at_the_api(images: Api) -> None:
    area = read(images, path_of(media(images))).data[AREA_AT : AREA_AT + AREA_SIZE]
    told = json.loads(area)
    beat = {"boot_id": "b", "uptime_s": 1}
    assert images.call("POST", f"/runs/{told['run_id']}/heartbeat", beat, token=told["token"]).status_code == 202


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2048-4095", (2048, 4096)),
        (f"bytes={AREA_AT - 7}-{AREA_AT + 20}", (AREA_AT - 7, AREA_AT + 21)),
        (f"bytes={len(BODY) - 5}-", (len(BODY) - 5, len(BODY))),
        ("bytes=-2048", (len(BODY) - 2048, len(BODY))),
        (f"bytes=-{len(BODY) + 9}", (0, len(BODY))),
        (f"bytes=10-{len(BODY) + 9}", (10, len(BODY))),
    ],
)
def test_a_part_is_served_as_the_standard_has_it(images: Api, header: str, span: tuple[int, int]) -> None:
    path = path_of(media(images))
    whole = read(images, path).data
    part = read(images, path, Range=header)
    assert (part.status_code, part.data) == (206, whole[slice(*span)])
    assert part.headers["Content-Range"] == f"bytes {span[0]}-{span[1] - 1}/{len(BODY)}"
    assert part.headers["Content-Length"] == str(span[1] - span[0])


@pytest.mark.parametrize("header", [f"bytes={len(BODY)}-", f"bytes={len(BODY) + 100}-{len(BODY) + 200}", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused_with_the_size(images: Api, header: str) -> None:
    answer = read(images, path_of(media(images)), Range=header)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{len(BODY)}")


@pytest.mark.parametrize("header", ["lines=0-5", "bytes=5-2", "bytes=0-1,4-5", "nonsense", "bytes=-", "bytes=٣-٤"])
def test_a_range_that_is_none_is_ignored(images: Api, header: str) -> None:
    environ = {"HTTP_RANGE": header.encode().decode("latin-1"), "REMOTE_ADDR": "10.0.0.5"}
    answer = images.call("GET", path_of(media(images)), token=None, environ_overrides=environ)
    assert (answer.status_code, len(answer.data)) == (200, len(BODY))


def test_head_tells_the_size_and_sends_and_counts_nothing(images: Api) -> None:
    path = path_of(media(images))
    for headers in ({}, {"Range": "bytes=0-9"}):
        answer = read(images, path, "HEAD", **headers)
        assert (answer.status_code, answer.headers["Content-Length"], answer.data) == (200, str(len(BODY)), b"")
        assert answer.headers["Accept-Ranges"] == "bytes"
    assert "image_read" not in timeline(images)


def test_a_part_of_another_image_is_never_mixed_in(images: Api) -> None:
    path = path_of(media(images))
    etag = read(images, path, "HEAD").headers["ETag"]
    assert read(images, path, Range="bytes=0-9", If_Range=etag).status_code == 206
    whole = read(images, path, Range="bytes=0-9", If_Range='"another"')
    assert (whole.status_code, len(whole.data)) == (200, len(BODY))
    assert read(images, path, If_None_Match=etag).status_code == 304
    other = read(images, path, If_Match='"another"')
    assert (other.status_code, other.mimetype) == (412, "application/problem+json")
    assert read(images, path, If_Match=etag).status_code == 200


def test_who_does_not_know_the_secret_gets_nothing(images: Api) -> None:
    path = path_of(media(images))
    secret = path.split("/")[2]
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    refused = [read(images, f"/images/{other}/bringup-validation.iso") for other in (wrong, "x", REAL, "%00", "*")]
    assert {answer.status_code for answer in refused} == {404}
    assert len({answer.text for answer in refused}) == 1
    assert read(images, f"/images/{secret}/other.iso").status_code == 404


def test_a_new_minting_ends_the_address_before_it(images: Api) -> None:
    first = media(images)
    second = images.ok("POST", f"/runs/{REAL}/media", {"owner": "w"})
    assert read(images, path_of(first)).status_code == 404
    assert json.loads(read(images, path_of(second)).data[AREA_AT : AREA_AT + AREA_SIZE])["epoch"] == second["epoch"]


def test_an_address_dies_with_its_run(images: Api) -> None:
    path = path_of(media(images))
    assert read(images, path).status_code == 200
    images.ok("POST", f"/runs/{REAL}/abort", {})
    gone = read(images, path)
    assert (gone.status_code, gone.json["type"]) == (410, "urn:bringup:finished")
    assert read(images, path, "HEAD").status_code == 410


def test_machines_that_do_not_boot_it_are_given_no_image(images: Api) -> None:
    assert media(images, PXE)["image_url"] is None, "it boots from the network"


def test_without_an_image_a_real_machine_has_no_address(make_images: MakeImages) -> None:
    api = make_images(validation_image=None)
    assert media(api)["image_url"] is None
    assert read(api, f"/images/{'x' * 43}/bringup-validation.iso").status_code == 404


def test_redis_holds_neither_the_token_nor_the_secret(images: Api, settings: Settings) -> None:
    given = media(images)
    token = json.loads(read(images, path_of(given)).data[AREA_AT : AREA_AT + AREA_SIZE])["token"]
    redis: Any = connect_redis(settings, tls.ClientContexts(), name="tests")
    dump = b"".join(str(key).encode() + everything(redis, key) for key in redis.keys("*"))
    assert given["run_id"].encode() in dump, "the dump is one"
    assert token.encode() not in dump
    assert path_of(given).split("/")[2].encode() not in dump


def everything(redis: Any, key: bytes) -> bytes:
    kind = redis.type(key).decode()
    reads: dict[str, Callable[[], object]] = {
        "string": lambda: redis.get(key),
        "hash": lambda: redis.hgetall(key),
        "set": lambda: redis.smembers(key),
        "zset": lambda: redis.zrange(key, 0, -1),
        "list": lambda: redis.lrange(key, 0, -1),
        "stream": lambda: redis.xrange(key),
    }
    return str(reads[kind]()).encode()


def timeline(api: Api, run_id: str = REAL) -> list[str]:
    return [entry["type"] for entry in api.run(run_id)["timeline"]]


def test_that_the_parameters_were_read_is_on_the_timeline_once(images: Api) -> None:
    path = path_of(media(images))
    read(images, path, Range="bytes=0-2047")
    assert "image_read" not in timeline(images)
    for _ in range(3):
        read(images, path, Range=f"bytes={AREA_AT}-{AREA_AT + 2047}")
    read(images, path)
    assert timeline(images).count("image_read") == 1


def test_a_build_put_in_its_place_ends_the_images_of_the_one_before(images: Api, base: Path, logged: list[Any]) -> None:
    path = path_of(media(images))
    newer = base.with_name("newer.iso")
    newer.write_bytes(base_image(BODY[::-1]))
    newer.replace(base)
    gone = read(images, path)
    assert (gone.status_code, gone.json["type"]) == (410, "urn:bringup:image_replaced")
    assert REAL in str(logged)
    again = images.ok("POST", f"/runs/{REAL}/media", {"owner": "w"})
    assert read(images, path_of(again)).data[:AREA_AT] == BODY[::-1][:AREA_AT]


def test_a_build_that_is_no_image_changes_nothing(images: Api, base: Path) -> None:
    path = path_of(media(images))
    broken = base.with_name("broken.iso")
    broken.write_bytes(BODY)
    broken.replace(base)
    assert read(images, path).data[:AREA_AT] == BODY[:AREA_AT]
    base.unlink()
    assert read(images, path).status_code == 200


def test_an_image_that_was_written_over_is_not_served(images: Api, base: Path) -> None:
    path = path_of(media(images))
    with base.open("r+b") as file:
        file.write(b"other bytes")
    assert read(images, path).status_code == 410


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file"),
        (BODY, "holds no area for"),
        (base_image(areas=(AREA_AT, AREA_AT + AREA_SIZE)), "holds 2 areas"),
        (base_image()[: AREA_AT + AREA_SIZE - 1], "too small or not blank"),
        (base_image().replace(b" " * 100, b"taken".ljust(100), 1), "too small or not blank"),
    ],
    ids=["no file", "no area", "two areas", "too small", "not blank"],
)
def test_the_api_does_not_start_without_a_usable_image(
    settings: Settings, tmp_path: Path, content: bytes | None, why: str
) -> None:
    settings.devices_file.write_text(INVENTORY)
    path = tmp_path / "some.iso"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="VALIDATION_IMAGE") as error:
        create_app(settings.model_copy(update={"validation_image": path}))
    assert why in str(error.value)
    assert len(error.value.problems) == 1


def test_an_image_that_gives_a_root_shell_is_told_as_the_builder_marks_it(tmp_path: Path) -> None:
    builder = (Path(__file__).parents[3] / "scripts" / "iso" / "build").read_text()
    mark = "# with a root shell on the console"
    assert f'echo "{mark}"' in builder
    at = 2**20 - 10  # over the border of what is read at once
    path = tmp_path / "renamed.iso"
    path.write_bytes((base_image() + bytes(2**20))[:at] + mark.encode() + bytes(100))
    with capture_logs() as lines:
        BaseImageFile(path)
    assert ["--debug-shell" in line["event"] for line in lines] == [True]


def test_a_worker_that_was_overtaken_ends_nobodys_token(images: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a certificate takes up to 20 s: long enough to be taken for dead, and the machine to boot meanwhile."""
    given: list[dict[str, Any]] = []

    def slow(_run: Run) -> None:
        monkeypatch.setattr(views_media, "_certificate", lambda _run: None)
        images.ok("POST", f"/runs/{REAL}/events", {"type": "boot_started", "owner": "another"})
        given.append(images.ok("POST", f"/runs/{REAL}/media", {"owner": "another"}))

    assert images.lease(REAL).status_code == 201
    assert images.tell(REAL, "boot_started").status_code == 202
    monkeypatch.setattr(views_media, "_certificate", slow)
    assert images.call("POST", f"/runs/{REAL}/media", {"owner": "w"}).status_code == 409
    assert read(images, path_of(given[0])).status_code == 200, "the image that the BMC has is alive"


def test_the_machine_is_told_whom_to_trust(make_images: MakeImages, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("-----OLD-----\n-----NEW-----\n")
    api = make_images(api_use_tls=True, api_tls_ca=ca)
    with pytest.MonkeyPatch.context() as patch:
        without_tls(patch)
        path = path_of(media(api))
    told = json.loads(read(api, path).data[AREA_AT : AREA_AT + AREA_SIZE])
    assert told["ca_pem"] == ca.read_text(), "all of it: a CA may be being replaced"


@pytest.mark.parametrize("size", [AREA_SIZE, None], ids=["too large", "not there"])
def test_trust_that_cannot_be_given_whole_is_not_given_at_all(
    make_images: MakeImages, tmp_path: Path, logged: list[Any], size: int | None
) -> None:
    ca = tmp_path / "ca.pem"
    if size:
        ca.write_text("x" * size)
    api = make_images(api_use_tls=True, api_tls_ca=ca)
    with pytest.MonkeyPatch.context() as patch:
        without_tls(patch)
        assert api.lease(REAL).status_code == 201
        assert api.tell(REAL, "boot_started").status_code == 202
        answer = api.call("POST", f"/runs/{REAL}/media", {"owner": "w"})
    assert (answer.status_code, answer.json["type"]) == (500, "urn:bringup:misconfigured")
    assert "API_TLS_CA" in str(logged)


@pytest.fixture
def expired(make_images: MakeImages) -> "Expired":
    def expire(reading: Callable[[Api, str], None]) -> dict[str, Any]:
        """A run whose machine never spoke, after its image was read like this."""
        api = make_images(boot_timeout_s=-1)
        path = path_of(media(api))
        for kind in ("media_inserted", "power_requested", "powered_off", "powered_on"):
            assert api.tell(REAL, kind).status_code == 202
        reading(api, path)
        assert api.tell(REAL, "deadline").status_code == 202
        return api.run(REAL)

    return expire


Expired = Callable[[Callable[[Api, str], None]], dict[str, Any]]


def test_an_image_that_nobody_read_is_media_not_read(expired: Expired) -> None:
    run = expired(lambda _api, _path: None)
    assert (run["state"], run["reason"]) == ("timed_out", "media_not_read")
    assert "nothing was read" in run["detail"]


def test_an_image_that_was_only_looked_at_is_media_not_read(expired: Expired) -> None:
    run = expired(lambda api, path: read(api, path, Range="bytes=32768-34815"))
    assert run["reason"] == "media_not_read"
    assert "2048 bytes" in run["detail"]


@pytest.mark.parametrize("header", [f"bytes={AREA_AT}-{AREA_AT + 2047}", "bytes=0-65535", "bytes=0-"])
def test_a_machine_that_read_its_image_and_says_nothing_did_not_boot(expired: Expired, header: str) -> None:
    run = expired(lambda api, path: read(api, path, Range=header))
    assert run["reason"] == "no_boot"
    assert "the image was read (" in run["detail"]


def test_what_redis_holds_of_an_image_and_was_changed_is_not_served(images: Api, settings: Settings) -> None:
    path = path_of(media(images))
    redis: Any = connect_redis(settings, tls.ClientContexts(), name="tests")
    [key] = redis.keys("bringup:image:*")
    redis.hset(key, "sealed", b"of somebody else")
    assert read(images, path).status_code == 503


def test_a_small_part_costs_two_round_trips_to_redis(images: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of(media(images))
    read(images, path, Range=f"bytes={AREA_AT}-{AREA_AT + 2047}")  # the first is noted on the timeline
    sent: list[object] = []
    send: Any = Connection.send_packed_command
    ours = get_ident()  # the thread that remembers the change number asks Redis when it likes

    def counting(self: Connection, command: Any, *arguments: Any, **named: Any) -> None:
        if get_ident() == ours:
            sent.append(command)
        send(self, command, *arguments, **named)

    monkeypatch.setattr(Connection, "send_packed_command", counting)
    for start in (0, AREA_AT, AREA_AT + 2048):
        sent.clear()
        assert read(images, path, Range=f"bytes={start}-{start + 2047}").status_code == 206
        assert len(sent) == 2


def test_the_image_is_in_the_document_of_the_api_as_bytes_of_no_model(images: Api) -> None:
    document = images.ok("GET", "/openapi.json")
    call = document["paths"]["/api/v1/images/{secret}/bringup-validation.iso"]["get"]
    assert {"200", "206", "304", "404", "410", "416", "503"} <= set(call["responses"])
    assert "content" not in call["responses"]["206"]
    assert "security" not in call


def test_images_on_a_port_of_their_own_are_not_on_the_apis(make_images: MakeImages, settings: Settings) -> None:
    api = make_images(image_port=5001)
    given = media(api)
    assert given["image_url"].startswith("http://127.0.0.1:5001/api/v1/images/")
    assert read(api, path_of(given)).status_code == 404
    own = api.client.application.extensions["bringup"].settings
    alone = Api(create_images_app(own).test_client(), settings.devices_file)
    assert read(alone, path_of(given)).status_code == 200
    assert read(alone, "/health").status_code == 200
    assert {alone.call("GET", path).status_code for path in ("/runs", f"/runs/{REAL}", "/ready", "/devices")} == {404}


@pytest.mark.parametrize(
    ("changes", "missing"), [({"validation_image": None}, "VALIDATION_IMAGE"), ({"image_port": 0}, "IMAGE_PORT")]
)
def test_a_port_for_images_needs_an_image_and_a_port(
    settings: Settings, base: Path, changes: dict[str, object], missing: str
) -> None:
    given = {"validation_image": base, "image_port": 5001} | changes
    with pytest.raises(SettingsError, match=f"{missing}: must be set"):
        create_images_app(settings.model_copy(update=given))
