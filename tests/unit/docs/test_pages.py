"""The documents name files, modules, links and commands that exist, and the architecture page has every room."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Records of what was true on a day: their paths are of that day.
DATED = {ROOT / "CHANGELOG.md", ROOT / "docs/MTLS_TEST_RESULTS.md"}
CURRENT = [page for page in PAGES if page not in DATED]
ARCHITECTURE = ROOT / "docs/architecture.md"
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in {"tests", "bench"})
FOLDERS = (*PACKAGES, "scripts", "tests", "docs", "bench")
# Where certificates will be (PKI_DIR), and what the wheel alone has: pyproject.toml puts scripts/dhcp there.
MADE = ("pki/ca/", "pki/redis/", "pki/api/", "pki/workers/", "pki/issued/", "dhcp_tailer/hooks/")


def paths_in(text: str) -> Iterator[str]:
    """What looks like a path of this repository, in backticks or not."""
    names = "|".join(FOLDERS)
    for match in re.finditer(rf"(?<![\w./<-])(?:{names})/[\w./*-]*", text):
        yield match[0].rstrip(".")


def missing_in(text: str) -> list[str]:
    return [
        path
        for path in paths_in(text)
        if not path.startswith(MADE) and not path.endswith(".pem") and not [*ROOT.glob(path)]
    ]


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    assert missing_in(page.read_text()) == []


def test_a_path_that_is_gone_is_noticed() -> None:
    text = "see `api/gone.py`, `workers/jobs.py` and workers/redfish/*.py"
    assert missing_in(text) == ["api/gone.py"]


def test_the_record_of_the_flip_names_no_path_of_the_machine_that_made_it() -> None:
    record = (ROOT / "docs/MTLS_TEST_RESULTS.md").read_text()
    assert re.findall(r"(?<![\w./])/(?:tmp|home|root|work|var|usr|etc)/\S*", record) == []
    assert record.count("Ready for production: ") == 2


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page, page.read_text())) == []


def test_a_broken_link_is_noticed() -> None:
    assert list(broken_links(ARCHITECTURE, "[a](gone.md) [b](iso.md#build-it) [c](iso.md#gone)")) == [
        "gone.md",
        "iso.md#gone",
    ]


def rooms() -> list[str]:
    """Every package, and every folder of modules in one."""
    found = (path.parent.relative_to(ROOT) for name in PACKAGES for path in ROOT.glob(f"{name}/**/__init__.py"))
    return sorted(f"{path}/" for path in found)


@pytest.mark.parametrize("room", rooms())
def test_the_architecture_page_has_every_room(room: str) -> None:
    assert f"`{room}`" in ARCHITECTURE.read_text()


# What a person on call must find without a search: words of the question, in the page's first table.
QUESTIONS = (
    "next try",
    "boot at once",
    "time out",
    "TLS error",
    "production refuse",
    "hidden in logs",
    "call a route",
    "lost job",
    "Redis role",
    "revocation",
)


def answer_to(question: str) -> str:
    """The row that answers a question."""
    (row,) = (
        line for line in ARCHITECTURE.read_text().splitlines() if re.match(rf"\| [^|]*{question}[^|]*\? \|", line)
    )
    return row


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_architecture_page_answers_each_question_by_a_file_and_a_name_in_it(question: str) -> None:
    named = re.findall(r"`([\w/]+\.py)` \(`(\w+)`\)", answer_to(question))
    assert named
    for path, name in named:
        assert re.search(rf"^ *(def|class) {name}\b", (ROOT / path).read_text(), re.MULTILINE), f"{path} has no {name}"
