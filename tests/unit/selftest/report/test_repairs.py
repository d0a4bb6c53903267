"""The end of the report: the causes first, each with what to do and what follows from it; commands are not broken."""

from pki.check import Finding, Status, fail, ok, skip, warn
from selftest.case import Case, CaseResult
from selftest.report import repairs_as_text
from selftest.report.text import as_line, is_command

COMMAND = "bringup pki renew --all --force --and-a-very-long-option-so-that-the-line-is-longer-than-80-columns"


def _outcome(id_: str, finding: Finding, because: str = "") -> CaseResult:
    case = Case(id_, "What it asks", lambda _: finding, group="group")
    return CaseResult(case, finding, 0.1, because)


def test_a_line_is_broken_at_blanks_to_fit_the_terminal() -> None:
    text = as_line(_outcome("7.redis.no-certificate", fail("seen " * 40, COMMAND)), 80).plain
    assert text.startswith("FAIL  7.redis.no-certificate  What it asks: seen")
    assert len(text.splitlines()) == 4
    assert all(len(one) <= 80 for one in text.splitlines())


def test_what_to_repair_comes_in_the_order_of_cause_and_effect() -> None:
    outcomes = [
        _outcome("1a", fail("refused " * 20, "set REDIS_PASSWORD in .env " * 5)),
        _outcome("2b", skip("not run"), "1a"),
        _outcome("3c", fail("clocks differ", "chronyc makestep")),
        _outcome("3b", fail("expired"), "3c"),
        _outcome("5a", fail("expired", COMMAND)),
        _outcome("7.x", ok("fine")),
    ]
    text = repairs_as_text(outcomes, 80).plain
    heads = [one for one in text.splitlines() if one[:1].isdigit()]
    assert heads == [f"{n}. FAIL  {id_}  What it asks" for n, id_ in enumerate(("3c", "5a", "1a"), 1)]
    assert "so fail:  3b" in text
    assert "not run:  2b" in text
    assert "7.x" not in text
    assert all(len(one) <= 80 or COMMAND in one for one in text.splitlines())
    assert COMMAND in text, "a command can be copied whole"


def test_warnings_come_after_what_failed_and_nothing_is_written_where_all_is_well() -> None:
    text = repairs_as_text([_outcome("8", warn("hm", "look")), _outcome("1a", fail("refused"))], 80).plain
    assert text.index("FAIL  1a") < text.index("WARN  8")
    assert not repairs_as_text([_outcome("1a", ok("fine")), _outcome("2a", Finding(Status.INFO, "not used"))], 80)


def test_a_sentence_is_no_command() -> None:
    assert is_command("bringup pki renew")
    assert not is_command("set API_TOKEN in .env to that of the API")
