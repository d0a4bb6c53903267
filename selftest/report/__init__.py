"""The results of the self-test, for people (text, Markdown) and for programs (JSON). All of it is computed."""

from selftest.report.costs import as_text as costs_as_text
from selftest.report.costs import measure
from selftest.report.document import as_json, as_markdown, configuration_as_json, configuration_as_markdown
from selftest.report.repairs import next_as_text, repairs_as_text
from selftest.report.results import Results, counts, summary
from selftest.report.text import as_line, as_text, verdict_as_text

__all__ = [
    "Results",
    "as_json",
    "as_line",
    "as_markdown",
    "as_text",
    "configuration_as_json",
    "configuration_as_markdown",
    "costs_as_text",
    "counts",
    "measure",
    "next_as_text",
    "repairs_as_text",
    "summary",
    "verdict_as_text",
]
