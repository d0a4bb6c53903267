"""Tables for people: drawn while they are short, in columns when they are long, and nothing is cut."""

import pytest

from bringup_cli.context import print_table


def test_a_long_table_has_one_line_a_row_with_every_value_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"m{n}", None, "x" * 300 if n == 7 else "über", n) for n in range(2000)]
    print_table("Machines", ("Name", "Reason", "Text", "Number"), rows)
    title, header, _, *lines = capsys.readouterr().out.splitlines()
    assert (title, header.split()) == ("Machines", ["Name", "Reason", "Text", "Number"])
    assert [line.split() for line in lines] == [[name, text, str(number)] for name, _, text, number in rows]
    assert len({line.index("über") for line in lines if "über" in line}) == 1, "a column begins at one place"


def test_what_a_device_chose_drives_no_terminal_in_a_long_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("T", ("A",), [("\x1b[2J\nforged",)] * 1000)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1003


def test_a_short_table_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("T", ("A",), [("b",)])
    assert "┃ A ┃" in capsys.readouterr().out
