"""The flip, as a user runs it: both self-tests pass, and the report holds both."""

from pathlib import Path

from bringup_cli.demo.flip import Phase, as_markdown
from tests.e2e.test_demo import demonstrated


def test_the_flip_from_development_to_production_passes_both_self_tests(tmp_path: Path) -> None:
    report = tmp_path / "results.md"
    done = demonstrated(tmp_path, "--flip", "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED: ") == 2
    assert done.stdout.rstrip().endswith("Both passed.")
    before, after = report.read_text().split("## After: production")
    assert "| 2a Worker connection, plain | ok |" in before
    assert "| 7.redis.plain-text Redis refuses plain text | ok |" in after
    assert "bringup-demo-" not in before + after, "a path of the folder that is deleted"
    assert "**Ready for production: yes, by every check that this host can make.**" in after
    assert "Ready for production: no, because ENVIRONMENT=development; REDIS_USE_TLS=false; API_USE_TLS=false" in before
    assert list(tmp_path.iterdir()) == [report], "it left something behind"


def test_the_report_names_the_command_and_both_outcomes() -> None:
    phase = Phase(
        "Before", {"A": "b"}, passed=True, output="", report="# Connection test results\n\n**PASSED**\n\n## 1 Redis\n"
    )
    text = as_markdown((phase, phase), "bringup demo --flip")
    assert text.startswith("# Mutual TLS test results\n\nMade by `bringup demo --flip`.")
    assert text.count("### 1 Redis") == 2
    assert text.count("# Connection test results") == 0
