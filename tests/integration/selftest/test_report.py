"""The Markdown report of a real stack has every section that docs/selftest.md promises, with what was computed."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import jsonschema_rs
import pytest

from bringup import model
from bringup.settings import Settings, load
from bringup.settings.schema import variables
from tests.integration.selftest.site import Site

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs/selftest.schema.json").read_text())
PROMISED = (
    "Summary",
    "Posture",
    "Next steps: the way to production",
    "Certificates",
    "Passwords, tokens and keys",
    "Defence in depth",
    "Threats",
    "What TLS costs here",
    "Maintenance",
    "Emergencies",
    "References",
)


def sections(report: str) -> Mapping[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", report, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def with_tls(tls_site: Site) -> Mapping[str, str]:
    """The report of the site with TLS, which is as production is, but for its ENVIRONMENT."""
    return sections(tls_site.selftest("--output", "markdown").stdout)


@pytest.fixture(scope="module")
def without_tls(plain_site: Site) -> Mapping[str, str]:
    """The report of the site in plain text."""
    return sections(plain_site.selftest("--output", "markdown").stdout)


@pytest.mark.parametrize("title", PROMISED)
def test_every_promised_section_is_there_and_not_empty(
    with_tls: Mapping[str, str], without_tls: Mapping[str, str], title: str
) -> None:
    assert with_tls[title].strip()
    assert without_tls[title].strip()


def test_the_summary_answers_whether_it_is_ready_on_one_line(
    with_tls: Mapping[str, str], without_tls: Mapping[str, str]
) -> None:
    (line,) = re.findall(r"^\*\*Ready for production: (.+)\*\*$", without_tls["Summary"], re.MULTILINE)
    assert line.startswith("no, because ENVIRONMENT=development; REDIS_USE_TLS=false; API_USE_TLS=false; ")
    assert "Ready for production: no, because ENVIRONMENT=development" in with_tls["Summary"]
    assert "_USE_TLS=false" not in with_tls["Summary"]
    assert re.search(r"Redis: mutual TLS .*checks saw a refusal", with_tls["Summary"])


def test_each_certificate_has_its_attributes_in_a_row(tls_site: Site, with_tls: Mapping[str, str]) -> None:
    for identity in tls_site.store.identities():
        assert re.search(rf"^\| {identity} (\| yes ){{10}}\|$", with_tls["Certificates"], re.MULTILINE)
    certificate = tls_site.store.certificate(tls_site.store.identities()[0])
    assert certificate is not None
    assert f"{certificate.serial_number:x}" in with_tls["Certificates"]


def test_the_maintenance_has_the_real_dates(tls_site: Site, with_tls: Mapping[str, str]) -> None:
    end = tls_site.store.authorities()[0].not_valid_after_utc
    assert f"before it ends on {end:%Y-%m-%d} | bringup pki rollover start |" in with_tls["Maintenance"]
    following = re.search(r"Next renewal: (\d{4}-\d{2}-\d{2})", with_tls["Maintenance"])
    assert following
    today = model.utc_now()
    assert f"{today:%Y-%m-%d}" <= following[1] <= f"{today + timedelta(days=7):%Y-%m-%d}"


def test_what_holds_names_the_checks_that_saw_it(with_tls: Mapping[str, str], without_tls: Mapping[str, str]) -> None:
    row = next(line for line in with_tls["Threats"].splitlines() if "another CA takes the name" in line)
    assert row.endswith("| seen to hold: 7.redis.foreign-ca, 7.api.foreign-ca |")
    assert row.split(" | ")[0] in without_tls["Threats"]
    assert "| 7.redis.foreign, 7.api.foreign | not seen in this run |" in without_tls["Threats"]


def test_tls_is_measured_against_plain_text_and_at_the_real_servers(
    with_tls: Mapping[str, str], without_tls: Mapping[str, str]
) -> None:
    for report in (with_tls, without_tls):
        opening = re.search(
            r"^\| open a connection.* \| ([\d.]+) \| ([\d.]+) \| \+", report["What TLS costs here"], re.M
        )
        assert opening
        assert 0 < float(opening[1]) < float(opening[2])
    assert re.search(r"real: Redis.* \| - \| [\d.]+ \|", with_tls["What TLS costs here"])
    assert re.search(r"real: the API.* \| [\d.]+ \| - \|", without_tls["What TLS costs here"])


def test_the_secrets_are_judged_and_the_files_that_hold_them_are_named(with_tls: Mapping[str, str]) -> None:
    text = with_tls["Passwords, tokens and keys"]
    assert re.search(r"\| REDIS_PASSWORD \| strong \| \S+redis/worker.env \|", text)
    assert "pki/ca/ca-key.pem | 0600 | no |" in text


def _secrets(site: Site) -> set[str]:
    """Every secret of the site: of all roles, of the administrator, and the keys."""
    found = set()
    for role in ("worker", "api", "tailer", "operator"):
        settings: Settings = site.stack.settings_of(role)
        values = [getattr(settings, name.lower()) for name in variables()]
        found |= {value.get_secret_value() for value in values if hasattr(value, "get_secret_value")}
    found |= {path.read_text().strip() for path in site.folder.glob("redis/*.password")}
    for path in site.store.root.rglob("*-key.pem"):
        found |= set(path.read_text().splitlines()[1:-1])
    return {one for one in found if one}


@pytest.mark.parametrize("output", ["text", "json"])
def test_no_password_token_or_key_of_the_site_is_in_any_form_of_the_report(
    tls_site: Site, plain_site: Site, tmp_path: Path, output: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for site in (tls_site, plain_site) if output == "text" else (tls_site,):
        assert len(_secrets(site)) > 5
        done = site.selftest(
            "--output", output, "--measure", "--report", str(tmp_path / "report.md"), LOG_LEVEL="DEBUG"
        )
        printed = done.stdout + done.stderr + (tmp_path / "report.md").read_text()
        assert [secret for secret in _secrets(site) if secret in printed] == []


def test_json_follows_its_schema(tls_site: Site) -> None:
    measured = json.loads(tls_site.selftest("--output", "json", "--measure").stdout)
    jsonschema_rs.validate(SCHEMA, measured)
    assert len(measured["costs"]) == 5


def test_the_command_of_the_next_step_turns_both_flags_on(plain_site: Site, tmp_path: Path) -> None:
    done = plain_site.selftest()
    command = next(line.strip() for line in done.stdout.splitlines() if line.strip().startswith("sed -i"))
    copy = tmp_path / ".env"
    shutil.copy(plain_site.folder / ".env", copy)
    subprocess.run(["sh", "-c", command.replace(str(plain_site.folder / ".env"), str(copy))], check=True)
    settings = load(environ={}, env_file=copy, rules=lambda _settings: ()).settings
    assert (settings.environment, settings.redis_use_tls, settings.api_use_tls) == ("production", True, True)
    before = {line for line in (plain_site.folder / ".env").read_text().splitlines() if "_USE_TLS" not in line}
    assert before - {"ENVIRONMENT=development"} <= set(copy.read_text().splitlines())
