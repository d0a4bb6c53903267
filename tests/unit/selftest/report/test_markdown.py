"""The record: every section that docs/selftest.md promises, each with what was computed; hostile text stays text."""

import re
from dataclasses import replace

import pytest

from pki.check import fail
from pki.store import Store
from selftest.report import as_markdown
from selftest.report.costs import Cost
from tests.unit.selftest.report.conftest import MakeResults
from tests.unit.selftest.report.made_up import HOSTILE

# A section, and what is computed in it.
PROMISED = (
    ("Summary", "**Ready for production: yes"),
    ("Posture", "| Redis asks for a password | 1a | ok |"),
    ("Next steps: the way to production", "1. [x] Passwords and tokens"),
    ("1 Redis", "| 1a Redis asks for a password | ok | fine |"),
    ("Certificates", "| worker | yes | yes |"),
    ("Passwords, tokens and keys", "| API_TOKEN | strong |"),
    ("Defence in depth", "seen to hold: 3c |"),
    ("Threats", "seen to hold: 7.redis.foreign-ca, 7.api.foreign-ca |"),
    ("What TLS costs here", "| a call | 0.10 | 0.30 | +0.20 |"),
    ("Maintenance", "Next renewal: 2026-06-03."),
    ("Emergencies", "bringup pki revoke NAME"),
    ("References", "RFC 5280"),
)


@pytest.mark.parametrize(("title", "computed"), PROMISED)
def test_each_section_is_there_with_what_was_computed(
    make_results: MakeResults, store: Store, title: str, computed: str
) -> None:
    assert store.identities()
    results = replace(make_results(), costs=(Cost(what="a call", plain_ms=0.1, tls_ms=0.3),))
    parts = re.split(r"^## (.+)$", as_markdown(results), flags=re.MULTILINE)
    assert computed in dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def test_the_numbered_tests_are_in_the_order_of_their_numbers(make_results: MakeResults) -> None:
    made = make_results()
    text = as_markdown(replace(made, outcomes=made.outcomes[::-1]))
    numbers = [int(number) for number in re.findall(r"^## (\d+) ", text, flags=re.MULTILINE)]
    assert len(numbers) > 7
    assert numbers == sorted(set(numbers))


def test_hostile_text_of_any_check_makes_no_heading_link_or_html(make_results: MakeResults) -> None:
    text = as_markdown(
        make_results([(id_, fail(HOSTILE, HOSTILE, expected=HOSTILE)) for id_ in ("1a", "3b", "4", "8")])
    )
    assert not any(line.startswith("# z") for line in text.splitlines())
    outside = re.sub(r"^ *(`{3,})\n.*?^ *\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<script>" not in outside
    assert not re.search(r"(?<!\\)\]\(", outside)
    assert text.replace("\n", "").isprintable()
