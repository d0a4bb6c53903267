"""The feed of changes: each change once, under its number, in order; and what a follower makes of it."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pydantic import BaseModel

from api.http.body import json_pieces
from api.state import feed
from bringup import keys
from bringup.connections.change_feed import ChangeFollower, Cursor, FileCursor
from bringup.connections.redis_client import connect_redis
from bringup.errors import ApiUnavailable
from bringup.settings import Settings
from bringup.tls import ClientContexts
from bringup.wire.changes import FeedPage, FeedSnapshot
from bringup.wire.message import read_reply
from tests.integration.api.conftest import RUN_A, RUN_B, Api


class Client:
    """An `ApiClient` without the network, which fails as often as ``failures`` says."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.failures = 0

    def get(self, path: str, reply: type[Any]) -> Any:
        if self.failures:
            self.failures -= 1
            raise ApiUnavailable("away")
        return read_reply(reply, self.api.call("GET", path).data)


def changes(api: Api, since: int = 0, **query: int) -> dict[str, Any]:
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return api.ok("GET", f"/changes?since={since}{more}")


def follow(client: Client, cursor: Cursor, batches: int) -> list[FeedSnapshot | FeedPage]:
    """The next batches, each of them handled."""
    stopping, found = Event(), []
    for batch in ChangeFollower(client, cursor).follow(stopping):
        found.append(batch)
        if len(found) == batches:
            stopping.set()
    return found


def test_every_change_has_its_number_its_time_its_site_who_what_and_the_record(api: Api) -> None:
    before = changes(api)["newest"]
    api.lease(RUN_A)
    api.tell(RUN_A, "boot_started")
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    page = changes(api, before)
    assert [(c["what"], c["who"], c["state"], c["site"]) for c in page["changes"]] == [
        ("lease", "API_TOKEN", "queued", "bringup"),
        ("boot_started", "API_TOKEN", "booting", "bringup"),
        ("abort", "API_TOKEN", "aborted", "bringup"),
    ]
    assert [c["id"] for c in page["changes"]] == list(range(before + 1, before + 4))
    assert page["next"] == page["newest"] == before + 3
    assert {c["run"]["state"] for c in page["changes"]} == {"aborted"}, "the run as it is now"
    assert {c["device"]["name"] for c in page["changes"]} == {"a"}


def test_a_change_of_a_device_by_a_person_is_in_the_feed(api: Api) -> None:
    before = changes(api)["newest"]
    api.ok("PATCH", "/devices/a", {"maintenance": "disk"})
    (change,) = changes(api, before)["changes"]
    assert (change["what"], change["device"]["maintenance"], "run" in change and change["run"]) == (
        "device.maintenance",
        "disk",
        None,
    )


def test_a_machine_is_named_so_and_a_heartbeat_is_no_change(api: Api) -> None:
    token = api.booted()
    before = changes(api)["newest"]
    beat = {"boot_id": "b", "uptime_s": 5.0}
    for _ in range(3):
        api.ok("POST", f"/runs/{RUN_A}/heartbeat", beat, token)
    assert [(c["what"], c["who"]) for c in changes(api, before)["changes"]] == [("heartbeat", "machine")]


def test_a_page_ends_at_its_limit_and_the_next_one_goes_on(api: Api) -> None:
    before = changes(api)["newest"]
    api.lease(RUN_A)
    api.lease(RUN_B)
    first = changes(api, before, limit=1)
    second = changes(api, first["next"], limit=1)
    assert [first["changes"][0]["run"]["run_id"], second["changes"][0]["run"]["run_id"]] == [RUN_A, RUN_B]
    assert changes(api, second["next"]) == {
        "changes": [],
        "next": second["next"],
        "oldest": first["oldest"],
        "newest": second["next"],
    }


@pytest.mark.parametrize("query", ["since=-1", "since=x", "since=1e3", "since=9999999999999999", "limit=0", "limit=٣"])
def test_a_number_that_is_none_is_refused(api: Api, query: str) -> None:
    assert api.call("GET", f"/changes?{query}").status_code == 422


def test_no_client_can_make_a_page_larger_than_its_bound(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.views.changes._MOST", 1)
    api.lease(RUN_A)
    api.lease(RUN_B)
    assert len(changes(api, 0, limit=100)["changes"]) == 1


def test_a_long_answer_is_compressed_for_a_client_that_takes_it(api: Api) -> None:
    api.lease(RUN_A)
    plain = api.call("GET", "/changes/snapshot")
    packed = api.call("GET", "/changes/snapshot", headers={"Accept-Encoding": "gzip"})
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert json.loads(gzip.decompress(packed.data))["runs"] == plain.json["runs"]


def test_what_is_kept_is_bounded_in_number_and_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, make_api: Callable[[Settings], Api]
) -> None:
    monkeypatch.setattr(feed, "MOST_CHANGES", 100)
    api = make_api(settings)
    api.lease(RUN_A)
    redis = connect_redis(settings, ClientContexts(), name="test")
    for _ in range(400):
        api.tell(RUN_A, "media_inserted")  # out of turn: a line of the timeline, and so a change
    assert redis.xlen(keys.CHANGES) < 300
    monkeypatch.setattr(feed, "MOST_CHANGES", 100_000)
    old = make_api(settings.model_copy(update={"changes_keep_days": -1}))  # all that is there is too old
    for _ in range(200):
        old.tell(RUN_A, "media_inserted")
    page = changes(api)
    assert page["newest"] - page["oldest"] < 200


def test_a_feed_of_a_state_that_was_lost_begins_anew(settings: Settings, api: Api) -> None:
    api.lease(RUN_A)
    redis = connect_redis(settings, ClientContexts(), name="test")
    number = int(redis.get(keys.CHANGE_NUMBER) or 0)
    redis.xadd(keys.CHANGES, {"at": "0", "change": "{}"}, id=f"{number + 1000}-0")
    api.lease(RUN_B)
    page = changes(api)
    assert ([c["id"] for c in page["changes"]], page["oldest"]) == ([number + 1], number + 1)


def test_a_run_in_the_feed_is_as_the_list_shows_it(api: Api) -> None:
    before = changes(api)["newest"]
    api.lease(RUN_A)
    (listed,) = (run for run in api.ok("GET", "/runs")["runs"] if run["run_id"] == RUN_A)
    assert listed["required_jobs"] == ["boot"]
    assert changes(api, before)["changes"][0]["run"] == listed


def test_an_entry_that_cannot_be_read_does_not_stop_its_followers(settings: Settings, api: Api) -> None:
    api.lease(RUN_A)
    redis = connect_redis(settings, ClientContexts(), name="test")
    number = redis.incr(keys.CHANGE_NUMBER)
    redis.xadd(keys.CHANGES, {"change": "no JSON"}, id=f"{number}-0")
    assert changes(api, number - 1)["changes"][0]["what"] == "unknown"


def test_an_entry_with_the_names_of_its_fields_is_read(settings: Settings, api: Api) -> None:
    """As the API of an earlier build has written them."""
    api.lease(RUN_A)
    redis = connect_redis(settings, ClientContexts(), name="test")
    number = redis.incr(keys.CHANGE_NUMBER)
    named = {"what": "lease", "who": "tailer", "run": RUN_A, "device": "a", "state": "queued"}
    redis.xadd(keys.CHANGES, {"change": json.dumps(named)}, id=f"{number}-0")
    (shown,) = changes(api, number - 1)["changes"]
    assert [shown[name] for name in ("what", "who", "state", "detail")] == ["lease", "tailer", "queued", ""]
    assert (shown["run"]["run_id"], shown["device"]["name"]) == (RUN_A, "a")


@pytest.mark.parametrize("change", ["[]", "3", "null", "[" * 100_000, '{"run": ["x"], "device": {"a": 1}}'])
@pytest.mark.parametrize("at", ["", "x", "-1", "9" * 30])
def test_no_entry_stops_the_readers_of_the_feed(settings: Settings, api: Api, change: str, at: str) -> None:
    redis = connect_redis(settings, ClientContexts(), name="test")
    number = redis.incr(keys.CHANGE_NUMBER)
    redis.xadd(keys.CHANGES, {"at": at, "change": change}, id=f"{number}-0")
    assert [c["id"] for c in changes(api, number - 1)["changes"]] == [number]


@pytest.mark.parametrize("fields", [{"change": "no JSON"}, {"x": "y"}])
def test_no_entry_stops_what_deletes_old_entries(settings: Settings, api: Api, fields: dict[str, str]) -> None:
    redis = connect_redis(settings, ClientContexts(), name="test")
    redis.delete(keys.CHANGES)
    redis.xadd(keys.CHANGES, fields, id=f"{redis.incr(keys.CHANGE_NUMBER)}-0")  # type: ignore[arg-type]
    api.lease(RUN_A)
    for _ in range(64):
        assert api.tell(RUN_A, "media_inserted").status_code == 409, "out of turn, which is a line and so a change"
    assert changes(api)["oldest"] > int(redis.get(keys.CHANGE_NUMBER) or 0) - 66


@pytest.mark.parametrize("text", ["-5", "9" * 16, "1_000", "x", "", "\u0663"])
def test_a_follower_whose_file_is_damaged_takes_a_snapshot(api: Api, tmp_path: Path, text: str) -> None:
    path = tmp_path / "cursor"
    path.write_text(text)
    (found,) = follow(Client(api), FileCursor(path), 1)
    assert isinstance(found, FeedSnapshot)


def test_a_follower_takes_a_snapshot_then_changes_and_goes_on_after_a_restart(api: Api, tmp_path: Path) -> None:
    client, path = Client(api), tmp_path / "cursor"
    api.lease(RUN_A)
    (first,) = follow(client, FileCursor(path), 1)
    assert isinstance(first, FeedSnapshot)
    assert [run.run_id for run in first.runs if run.run_id == RUN_A] == [RUN_A]
    api.lease(RUN_B)
    (second,) = follow(client, FileCursor(path), 1)
    assert isinstance(second, FeedPage)
    assert [change.run.run_id for change in second.changes if change.run] == [RUN_B]


def test_a_follower_that_dies_before_it_handled_a_batch_gets_it_again(api: Api, tmp_path: Path) -> None:
    client, path = Client(api), tmp_path / "cursor"
    follow(client, FileCursor(path), 1)
    api.lease(RUN_A)
    got = [next(iter(ChangeFollower(client, FileCursor(path)).follow(Event()))) for _ in range(2)]
    assert got[0] == got[1]


def test_a_follower_that_was_away_too_long_takes_a_snapshot(settings: Settings, api: Api) -> None:
    cursor = Cursor()
    follow(Client(api), cursor, 1)
    api.lease(RUN_A)
    api.lease(RUN_B)
    connect_redis(settings, ClientContexts(), name="test").xtrim(keys.CHANGES, maxlen=1, approximate=False)
    (found,) = follow(Client(api), cursor, 1)
    assert isinstance(found, FeedSnapshot)


def test_a_follower_takes_a_snapshot_for_a_change_that_the_api_cannot_read(settings: Settings, api: Api) -> None:
    """An API of an earlier version reads so what a newer one beside it has written."""
    cursor = Cursor()
    follow(Client(api), cursor, 1)
    api.lease(RUN_A)
    redis = connect_redis(settings, ClientContexts(), name="test")
    number = redis.incr(keys.CHANGE_NUMBER)
    redis.xadd(keys.CHANGES, {"change": '{"of_a": "newer version"}'}, id=f"{number}-0")
    api.lease(RUN_B)
    (found,) = follow(Client(api), cursor, 1)
    assert isinstance(found, FeedSnapshot)
    assert {run.run_id for run in found.runs} >= {RUN_A, RUN_B}
    assert (cursor.read() or 0) > number, "once, and not again and again"


def test_a_follower_of_a_state_that_is_gone_takes_a_snapshot(api: Api) -> None:
    cursor = Cursor()
    cursor.save(changes(api)["newest"] + 1000)
    (found,) = follow(Client(api), cursor, 1)
    assert isinstance(found, FeedSnapshot)


def test_a_follower_waits_for_an_api_that_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bringup.connections.change_feed._RETRY_S", (0.0, 0.0))
    client = Client(api)
    client.failures = 3
    assert isinstance(follow(client, Cursor(), 1)[0], FeedSnapshot)


def test_what_is_rebuilt_from_the_feed_is_what_the_api_shows(api: Api) -> None:
    cursor = Cursor()
    (snapshot,) = follow(Client(api), cursor, 1)
    assert isinstance(snapshot, FeedSnapshot)
    known: dict[str, BaseModel] = {run.run_id: run for run in snapshot.runs}
    for run_id in (RUN_A, RUN_B):
        api.lease(run_id)
        api.tell(run_id, "boot_started")
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    (page,) = follow(Client(api), cursor, 1)
    assert isinstance(page, FeedPage)
    known |= {change.run.run_id: change.run for change in page.changes if change.run}
    shown = {run["run_id"]: run["state"] for run in api.ok("GET", "/runs?limit=10000")["runs"]}
    assert {run_id: run.state for run_id, run in known.items()} == shown  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/changes", "/changes/snapshot"])
def test_a_machine_and_a_stranger_do_not_read_the_feed(api: Api, path: str) -> None:
    machine = api.booted()
    assert [api.call("GET", path, token=token).status_code for token in (machine, "x" * 40, None)] == [401, 401, 401]


@pytest.mark.parametrize("key", [keys.CHANGES, keys.CHANGE_NUMBER])
def test_a_follower_goes_on_after_a_key_of_the_feed_was_deleted(settings: Settings, api: Api, key: str) -> None:
    cursor = Cursor()
    api.lease(RUN_A)
    api.tell(RUN_A, "boot_started")
    follow(Client(api), cursor, 1)
    connect_redis(settings, ClientContexts(), name="test").delete(key)
    api.lease(RUN_B)
    (found,) = follow(Client(api), cursor, 1)
    runs = found.runs if isinstance(found, FeedSnapshot) else tuple(c.run for c in found.changes if c.run)
    assert RUN_B in {run.run_id for run in runs}


def test_a_snapshot_shows_what_the_lists_show(api: Api) -> None:
    api.lease(RUN_A)
    api.lease(RUN_B)
    found = api.ok("GET", "/changes/snapshot")
    assert found["runs"] == api.ok("GET", "/runs?limit=10000")["runs"]
    assert found["devices"] == api.ok("GET", "/devices")["devices"]
    assert found["id"] == changes(api)["newest"]
    FeedSnapshot.model_validate_json(api.call("GET", "/changes/snapshot").data, strict=True)


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250])
def test_a_list_of_any_length_is_whole(number: int) -> None:
    elements = [{"n": n} for n in range(number)]
    pieces = list(json_pieces('{"a":', elements, "}"))
    assert json.loads(b"".join(pieces)) == {"a": elements}
    assert max(map(len, pieces)) < 2_000


@pytest.fixture
def together(api: Api) -> int:
    """The number of the last of three changes that are one entry of the feed."""
    api.lease(RUN_A)
    api.tell(RUN_A, "boot_started")
    before = [{"type": "machine_identified", "identity": {"serial": "s1", "macs": []}}, {"type": "media_inserted"}]
    assert api.tell(RUN_A, "write_requested", before=before).status_code == 202
    return int(changes(api)["newest"])


def test_changes_of_one_call_are_one_entry_with_a_number_each(settings: Settings, api: Api, together: int) -> None:
    stored: Any = connect_redis(settings, ClientContexts(), name="test").xrange(keys.CHANGES, min=f"{together - 2}-0")
    assert [entry_id for entry_id, _ in stored] == [f"{together}-0".encode()]
    shown = changes(api, together - 3)["changes"]
    assert [(one["id"], one["what"]) for one in shown] == [
        (together - 2, "machine_identified"),
        (together - 1, "media_inserted"),
        (together, "write_requested"),
    ]
    assert {(one["run"]["run_id"], one["device"]["name"], one["state"]) for one in shown} == {(RUN_A, "a", "booting")}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_page_may_end_within_an_entry(api: Api, together: int, limit: int) -> None:
    seen: list[int] = []
    since = together - 3
    while since < together:
        page = api.ok("GET", f"/changes?since={since}&limit={limit}")
        assert len(page["changes"]) <= limit
        seen += [one["id"] for one in page["changes"]]
        since = page["next"]
    assert seen == [together - 2, together - 1, together]


def test_the_oldest_change_is_the_first_of_its_entry(settings: Settings, api: Api, together: int) -> None:
    connect_redis(settings, ClientContexts(), name="test").xtrim(keys.CHANGES, maxlen=1, approximate=False)
    assert changes(api)["oldest"] == together - 2


def test_each_page_shows_the_device_as_its_changes_have_left_it(api: Api) -> None:
    since = int(changes(api)["newest"])
    token = ""

    def steps() -> Iterator[object]:
        nonlocal token
        yield api.lease(RUN_A)
        yield api.tell(RUN_A, "boot_started")
        token = api.mint()
        for kind in ("media_inserted", "power_requested", "powered_off", "powered_on"):
            yield api.tell(RUN_A, kind)
        yield api.call("POST", f"/runs/{RUN_A}/report", api.report(), token)
        yield api.ok("PATCH", "/devices/a", {"maintenance": "a disk"})
        yield api.tell(RUN_A, "finished")

    for _ in steps():
        page = changes(api, since)
        assert page["changes"]
        shown = api.ok("GET", "/devices/a")
        for change in page["changes"]:
            assert change["device"] == {name: shown[name] for name in change["device"]}
        since = page["next"]


def test_a_change_that_writes_no_device_names_its_run_alone(settings: Settings, api: Api) -> None:
    api.lease(RUN_A)
    api.tell(RUN_A, "boot_started")
    stored: Any = connect_redis(settings, ClientContexts(), name="test").xrevrange(keys.CHANGES, count=1)
    assert json.loads(stored[0][1][b"change"]) == ["boot_started", "API_TOKEN", RUN_A, "", "booting"]
    assert changes(api)["changes"][-1]["device"]["name"] == "a"
