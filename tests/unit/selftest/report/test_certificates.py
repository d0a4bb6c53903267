"""Every certificate file with its attributes and its dates, and every finding about it: none is left out."""

import re
from dataclasses import replace
from datetime import timedelta

from cryptography import x509

from pki.names import Identity, Role
from pki.store import Store
from selftest.checks.certificates import judged_files
from selftest.report import certificates
from selftest.report.certificates import attributes, section
from selftest.target_installation import TargetInstallation
from tests.unit.pki import kit
from tests.unit.selftest.report.conftest import MakeResults
from tests.unit.selftest.report.made_up import HOSTILE

QUESTIONS = ("exists", "key fits", "chain", "modes", "profile", "purpose", "names", "not revoked", "not expired")


def _target(make_results: MakeResults, *, days_later: int = 0) -> TargetInstallation:
    now = kit.NOW + timedelta(days=days_later)
    hosts = {"redis_host": "redis.example.net", "callback_api_host": "192.0.2.7"}
    return replace(make_results(**hosts).target, now=lambda: now)


def _row(target: TargetInstallation, name: str) -> dict[str, str]:
    results = judged_files(target)
    path = certificates.certificate_files(target, results)[name]
    answers = list(attributes(name, path, results, target.now()))
    return dict(zip(("certificate", *QUESTIONS, "30 days"), answers, strict=True))


def test_a_good_certificate_has_every_attribute(make_results: MakeResults, store: Store) -> None:
    assert store.identities()
    for name in ("redis", "worker", "api"):
        row = _row(_target(make_results), name)
        assert set(row.values()) == {name, "yes"}


def test_the_ca_is_a_row_too(make_results: MakeResults, store: Store) -> None:
    assert store.identities()
    row = _row(_target(make_results), "ca")
    assert (row["exists"], row["not expired"], row["30 days"]) == ("yes", "yes", "yes")


def test_a_missing_certificate_is_a_row_and_not_a_gap(make_results: MakeResults, store: Store) -> None:
    store.files(kit.WORKER).certificate.unlink()
    row = _row(_target(make_results), "worker")
    assert (row["exists"], row["key fits"], row["30 days"]) == ("NO", "not checked", "not checked")


def test_a_key_of_another_certificate_does_not_fit(make_results: MakeResults, store: Store) -> None:
    store.files(kit.API).key.write_bytes(store.files(kit.REDIS).key.read_bytes())
    assert _row(_target(make_results), "api")["key fits"] == "NO"


def test_a_key_that_others_can_read_is_named(make_results: MakeResults, store: Store) -> None:
    store.files(kit.API).key.chmod(0o644)
    assert _row(_target(make_results), "api")["modes"] == "NO"


def test_a_certificate_that_others_can_change_is_named(make_results: MakeResults, store: Store) -> None:
    store.files(kit.API).certificate.chmod(0o666)
    row = _row(_target(make_results), "api")
    assert (row["exists"], row["modes"]) == ("yes", "NO")


def test_a_certificate_of_another_ca_is_not_ours(make_results: MakeResults, store: Store) -> None:
    other = kit.init_pki(store.root.parent / "other")
    kit.plant(store, kit.REDIS, kit.Forgery(), by=kit.authority_of(other))
    assert _row(_target(make_results), "redis")["chain"] == "NO"


def test_days_decide_what_is_near_its_end_and_what_has_ended(make_results: MakeResults, store: Store) -> None:
    assert store.identities()
    near = _row(_target(make_results, days_later=65), "api")
    assert (near["not expired"], near["30 days"]) == ("yes, but: see below", "NO: 25")
    ended = _row(_target(make_results, days_later=91), "api")
    assert (ended["not expired"], ended["30 days"]) == ("NO", "NO: -1")


def test_the_section_has_the_dates_of_each_certificate(make_results: MakeResults, store: Store) -> None:
    text = "\n".join(section(_target(make_results)))
    serial = f"{kit.certificate_of(store, kit.API).serial_number:x}"
    path = store.files(kit.API).certificate
    names = "api.api.bringup.internal, 192.0.2.7"
    dates = "2026-08-30 | 90 | 2026-07-31"
    assert f"| api | {path} | {names} | serverAuth | secp256r1, sha256 | {dates} | {serial} |" in text


def test_every_finding_is_a_row(make_results: MakeResults, store: Store) -> None:
    for number in range(12):
        with kit.open_session(store) as session:
            session.issue(Identity(Role.WORKER, f"w{number}"), ())
            session.commit()
    target = _target(make_results)
    lines = section(target)
    findings = judged_files(target)
    assert len(findings) > 100
    rows = lines[lines.index("Every finding about them:") + 4 :]
    assert len(rows) == len(findings)
    assert "more" not in " ".join(rows)


def test_hostile_names_stay_in_their_cell(make_results: MakeResults, store: Store) -> None:
    name = HOSTILE.replace("\x1b", "").strip()
    forgery = kit.Forgery(identity=kit.API, sans=[x509.DNSName(name.replace("\n", " "))])
    kit.plant(store, kit.API, forgery)
    lines = section(_target(make_results))
    hostile = [line for line in lines if "script" in line]
    assert hostile
    for line in lines:
        assert "<script>" not in line
        assert not re.search(r"(?<!\\)\]\(", line)
        assert not line.startswith("# z")
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in hostile}
    assert cells <= {6, 10}


def test_a_file_that_is_no_certificate_is_a_row(make_results: MakeResults, store: Store) -> None:
    store.files(kit.API).certificate.write_text("nonsense")
    assert any("cannot be read" in line for line in section(_target(make_results)))


def test_without_a_pki_the_section_names_what_is_missing(make_results: MakeResults) -> None:
    assert "there is no CA in" in section(_target(make_results))[-1]
