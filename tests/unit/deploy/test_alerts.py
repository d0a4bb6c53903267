"""Each alert has its section of the runbook, its test, and a severity that the rules name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RULES = (ROOT / "deploy/prometheus/bringup.rules.yaml").read_text()
TESTS = (ROOT / "deploy/prometheus/bringup.rules.test.yaml").read_text()
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_section_of_the_runbook_and_links_it(alert: str) -> None:
    assert f"\n## {alert}\n" in RUNBOOK
    assert f"runbook: docs/runbook.md#{alert.lower()}\n" in RULES


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_tested_as_firing_and_as_quiet(alert: str) -> None:
    assert f"{{eval_time: 3h, alertname: {alert}}}" in TESTS
    assert re.search(rf"eval_time: 3h\n +alertname: {alert}\n +exp_alerts:", TESTS)


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == set(ALERTS)


def test_every_severity_is_one_of_three() -> None:
    assert set(re.findall(r"severity: (\w+)", RULES)) == {"critical", "warning", "info"}
