"""The maintenance calendar: from the dates of the certificates that are there."""

from dataclasses import replace
from datetime import timedelta

from pki.store import Store
from selftest.report import Results
from selftest.report.calendar import section
from tests.unit.pki import kit
from tests.unit.selftest.report.conftest import MakeResults


def _text(results: Results) -> str:
    return "\n".join(section(results))


def test_each_certificate_the_ca_and_the_list_have_a_date_and_a_command(
    make_results: MakeResults, store: Store
) -> None:
    assert store.identities()
    lines = section(make_results())
    assert "| 2026-07-31 | api: renew, before it ends on 2026-08-30 | bringup pki renew |" in lines
    # Two thirds of ten years.
    assert "| 2033-01-28 | ca: replace the CA, before it ends on 2036-05-29 | bringup pki rollover start |" in lines
    what = "list of revoked certificates: sign a new one, before it ends on 2026-06-08"
    assert f"| 2026-06-03 | {what} | bringup pki renew (signs a new list) |" in lines


def test_the_next_renewal_is_the_first_date_that_has_not_passed(make_results: MakeResults, store: Store) -> None:
    assert store.identities()
    results = make_results()
    assert "Next renewal: 2026-06-03." in section(results)
    later = Results(replace(results.target, now=lambda: kit.NOW + timedelta(days=7)), results.outcomes)
    assert "Next renewal: 2026-07-31." in section(later)


def test_the_dates_are_in_order(make_results: MakeResults, store: Store) -> None:
    assert store.identities()
    dates = [line[2:12] for line in section(make_results()) if line.startswith("| 20")]
    assert len(dates) == 5
    assert dates == sorted(dates)


def test_a_host_of_a_site_renews_over_the_api(make_results: MakeResults, store: Store) -> None:
    store.ca_key.unlink()
    text = _text(make_results(host_roles="api"))
    assert "bringup site renew" in text
    assert "back up the PKI directory" not in text


def test_without_certificates_it_has_what_recurs(make_results: MakeResults) -> None:
    text = _text(make_results())
    assert "Nothing here has a date of renewal." in text
    assert "| day | this self-test, by a timer" in text
