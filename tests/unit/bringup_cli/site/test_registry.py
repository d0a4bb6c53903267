"""A host from its request to its end: keys that stay, a status that shows what is due, a revocation that holds."""

from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from bringup.wire.site import HeldCertificate, HostJoin, HostReport, HostView
from bringup_cli.site import enroll
from bringup_cli.site.bundle import BundleRefused
from bringup_cli.site.enroll import make_request, read_requests
from bringup_cli.site.join import join
from bringup_cli.site.registry import HostRole, Registry
from bringup_cli.site.revoke import forget, revoke
from bringup_cli.site.status import Seen, remember, rows
from pki.authority import key_pem, read_key
from pki.errors import CaKeyLocked, InvalidInput, Locked, Refused
from pki.session import CaSession
from tests.unit.bringup_cli.site.conftest import NOW, Enrolling


def asked(folder: Path, *roles: HostRole, host: str = "w1") -> Path:
    """The file of `site request`, made in the host's folder."""
    path = folder.parent / f"{host}.request.json"
    path.write_text(make_request(folder, host, roles).model_dump_json())
    return path


def test_keys_that_are_made_on_the_host_never_leave_it(ca: Enrolling, tmp_path: Path) -> None:
    folder = tmp_path / "w1"
    path = asked(folder, HostRole.WORKER)
    keys = {one.read_text() for one in (folder / "requested").iterdir()}
    assert "PRIVATE" not in path.read_text()
    roles, requests = read_requests(path, "w1")
    host = ca.host("w1", *roles, requests=requests)
    files = ca.files(host, with_keys=False)
    assert not [name for name in files if name.endswith("-key.pem")]
    assert not any(key.encode() in b"".join(files.values()) for key in keys)
    join(folder, enroll.manifest_of(host, NOW), files, NOW)
    assert (folder / "pki/workers/worker-key.pem").read_text() in keys


def test_a_certificate_for_another_key_is_refused(ca: Enrolling, tmp_path: Path) -> None:
    roles, requests = read_requests(asked(tmp_path / "w1", HostRole.WORKER), "w1")
    host = ca.host("w1", *roles, requests=requests)
    with pytest.raises(BundleRefused, match="no key here fits"):
        join(tmp_path / "another", enroll.manifest_of(host, NOW), ca.files(host, with_keys=False), NOW)


def test_a_request_of_another_host_is_refused(ca: Enrolling, tmp_path: Path) -> None:
    path = asked(tmp_path / "w1", HostRole.WORKER)
    with pytest.raises(InvalidInput, match="of the host w1, not of w2"):
        read_requests(path, "w2")
    path.write_text(path.read_text().replace("w1.worker", "a1.api"))
    roles, requests = read_requests(path, "w1")
    with pytest.raises(Refused, match=r"no key for w1\.worker"):
        ca.host("w1", *roles, requests=requests)


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json", '{"format": 2}'])
def test_what_is_no_request_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w1.request.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="no file of `bringup site request`"):
        read_requests(path, "w1")


def test_a_request_of_any_size_is_not_read(tmp_path: Path) -> None:
    path = asked(tmp_path / "w1", HostRole.WORKER)
    path.write_text(path.read_text() + " " * (1 << 20))
    with pytest.raises(InvalidInput, match="no file of `bringup site request`"):
        read_requests(path, "w1")


def test_a_revoked_host_has_nothing_any_more(ca: Enrolling) -> None:
    host = ca.host("w1", HostRole.WORKER)
    ca.host("w2", HostRole.WORKER)
    with CaSession.open(ca.store, "test", NOW) as session:
        assert len(revoke(session, "w1", "key-compromise").entries) == 2
    registry = Registry.read(ca.store)
    assert registry.hosts["w1"].passwords == {}
    assert enroll.user_lines(registry.hosts["w1"]) == []
    assert [one for one in host.identities if ca.store.certificate(one)] == []
    assert {one.name for one in ca.store.ledger().entries if one.revoked_at} == {"w1"}
    with pytest.raises(Refused, match="was revoked on"):
        ca.host("w1", HostRole.WORKER)
    with CaSession.open(ca.store, "test", NOW) as session:
        assert revoke(session, "w1", "unspecified").entries == []
        forget(session, "w1")
    assert ca.host("w1", HostRole.WORKER).passwords != host.passwords


def test_only_a_revoked_host_is_forgotten(ca: Enrolling) -> None:
    ca.host("w1", HostRole.WORKER)
    with CaSession.open(ca.store, "test", NOW) as session:
        with pytest.raises(InvalidInput, match="in use"):
            forget(session, "w1")
        with pytest.raises(InvalidInput, match="no host 'w9'; there are: w1"):
            revoke(session, "w9", "unspecified")


@pytest.mark.parametrize("name", ["worker", "api", "redis", "host", "ca"])
def test_no_host_has_the_name_of_a_role(ca: Enrolling, name: str) -> None:
    with pytest.raises(Refused, match="name of a role"):
        ca.host(name, HostRole.WORKER)


def test_two_enrolments_at_once_wait_for_each_other(ca: Enrolling) -> None:
    with CaSession.open(ca.store, "the first", NOW), pytest.raises(Locked, match="the first"):
        ca.host("w1", HostRole.WORKER)


def test_the_status_shows_what_is_due(ca: Enrolling) -> None:
    ca.host("w1", HostRole.WORKER)
    registry = Registry.read(ca.store)

    def row(seen: Seen) -> dict[str, object]:
        return rows(ca.store, registry, seen, renew_days=30)[0]

    fresh = row(Seen({"worker-w1": False}, {}, NOW))
    assert (fresh["days_left"], fresh["last_seen"]) == (3650, None)
    assert fresh["due"] == ["it was never seen: bringup site join on it"]
    assert row(Seen({"worker-w1": True}, {}, NOW))["due"] == []
    assert row(Seen(None, {"w1": report_of()}, NOW))["last_seen"] == NOW
    assert "Redis does not know worker-w1" in str(row(Seen({}, {}, NOW))["due"])
    late = row(Seen({"worker-w1": True}, {}, NOW + timedelta(days=3640)))
    assert "worker/w1 is to be renewed" in str(late["due"])


def test_what_was_seen_is_remembered(ca: Enrolling) -> None:
    ca.host("w1", HostRole.WORKER)
    with CaSession.open(ca.store, "test", NOW) as session:
        remember(session, {"w1": NOW})
    with CaSession.open(ca.store, "test", NOW) as session:
        remember(session, {"w1": None})
    assert Registry.read(ca.store).hosts["w1"].last_seen == NOW


def test_a_user_that_redis_still_knows_after_the_revocation_is_shown(ca: Enrolling) -> None:
    ca.host("w1", HostRole.WORKER)
    with CaSession.open(ca.store, "test", NOW) as session:
        revoke(session, "w1", "unspecified")
    registry = Registry.read(ca.store)
    (row,) = rows(ca.store, registry, Seen({"worker-w1": False}, {}, NOW), renew_days=30)
    assert row["due"] == ["Redis still knows it: bringup site revoke w1"]


def test_without_the_passphrase_of_the_ca_key_nothing_is_enrolled(ca: Enrolling) -> None:
    key = read_key(ca.store.ca_key)
    ca.store.ca_key.write_bytes(key_pem(key, "the passphrase of the CA"))
    before = ca.store.ledger()
    with pytest.raises(CaKeyLocked):
        ca.host("w1", HostRole.WORKER)
    assert ca.store.ledger() == before
    assert Registry.read(ca.store).hosts == {}


def report_of(*joins: HostJoin, end: timedelta = timedelta(days=9)) -> HostView:
    """w1 has reported; its worker's certificate ends after this time."""
    held = HeldCertificate(serial="01", issuer="ab", ends=NOW + end)
    report = HostReport(anchors=("ab",), certificates={"w1.worker.bringup.internal": held})
    return HostView(name="w1", at=NOW, address="10.20.0.12", report=report, joins=joins)


def join_of(number: int, address: str, made: timedelta = timedelta()) -> HostJoin:
    return HostJoin(id=f"{number:02x}", bundle_made_at=NOW + made, at=NOW, address=address)


def test_the_status_shows_who_has_joined_and_warns_of_a_file_that_two_have_used(ca: Enrolling) -> None:
    ca.host("w1", HostRole.WORKER)
    registry = Registry.read(ca.store)

    def row(*joins: HostJoin) -> dict[str, object]:
        return rows(ca.store, registry, Seen(None, {"w1": report_of(*joins)}, NOW), renew_days=1)[0]

    once = row(join_of(1, "10.20.0.12"))
    assert once["joined"] == [{"at": NOW, "address": "10.20.0.12"}]
    assert once["due"] == []
    (warning,) = cast("list[str]", row(join_of(1, "10.20.0.12"), join_of(2, "198.51.100.9"))["due"])
    assert "joined 2 times with one file, from 10.20.0.12 and 198.51.100.9" in warning
    assert "bringup site revoke w1" in warning
    enrolled_again = row(join_of(1, "10.20.0.12"), join_of(2, "10.20.0.12", timedelta(days=1)))
    assert enrolled_again["due"] == []


def test_the_days_left_are_those_of_the_certificates_that_the_host_uses(ca: Enrolling) -> None:
    ca.host("w1", HostRole.WORKER)
    seen = Seen(None, {"w1": report_of(end=timedelta(days=3))}, NOW)
    (row,) = rows(ca.store, Registry.read(ca.store), seen, renew_days=30)
    assert row["days_left"] == 3  # the CA has issued another one, which the host has not fetched
    assert "worker/w1 is to be renewed" in str(row["due"])
