"""A corpus with questions: pages of Debian's python3-doc, and the titles of their sections as queries.

A query is the title of a section, and that section is what answers it. Such titles are taken out of the text, with the
tables of contents, where they would stand once more. The FAQ's titles are questions in plain words, and all of them are
queries; of the others, whose titles have three words at least, a hash chooses.
"""

import hashlib
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lxml import html

from benchmarks.program import REPOSITORY
from deployments.knowledge.converter import Converter

FOLDER = REPOSITORY / "build" / "retrieval"
PACKAGE = "python3-doc"
PARTS = ("faq", "tutorial", "howto", "reference", "using", "library")
LIBRARY_SHARE = 4  # one page of the library in so many
TITLES = 120  # queries that are no questions
TITLE_WORDS = 3
SECTION_WORDS = range(40, 500)
_MAIN = "//div[@role='main']"
_CONTENTS = ".//nav | .//*[contains(@class, 'toctree-wrapper')] | .//a[@class='headerlink']"
_LEAVES = ".//section[not(.//section)]"
_HEADINGS = "./h1 | ./h2 | ./h3 | ./h4 | ./h5 | ./h6"
_NUMBER = re.compile(r"^[\d.]+ ")
_MARK = re.compile(r"\s*qqsection(\d+)(begins|ends)qq\s*")


class Page(NamedTuple):
    """A page as plain text."""

    name: str
    text: str


class Query(NamedTuple):
    """A title, and the characters of a page that are its section."""

    text: str
    page: str
    start: int
    end: int


class Corpus(NamedTuple):
    """What is searched, and what for."""

    pages: list[Page]
    queries: list[Query]


def load_corpus() -> Corpus:
    """The same whenever the package is the same."""
    root = _fetched()
    converter = Converter()
    read = [read_page(str(path.relative_to(root)), path.read_text(), converter) for path in _paths(root)]
    converter.close()
    found = [query for _, queries in read for query in queries]
    number = Counter(query.text for query in found)
    once = [query for query in found if number[query.text] == 1]
    questions = [query for query in once if query.page.startswith("faq/")]
    titles = sorted((query for query in once if not query.page.startswith("faq/")), key=lambda query: _rank(query.text))
    return Corpus([page for page, _ in read], questions + titles[:TITLES])


def read_page(name: str, content: str, converter: Converter) -> tuple[Page, list[Query]]:
    """A page without its titles and tables of contents, and the queries that it answers."""
    (main,) = html.fromstring(content).xpath(_MAIN)
    for element in main.xpath(_CONTENTS):
        element.drop_tree()
    titles = [title for section in main.xpath(_LEAVES) if (title := _take_title(section))]
    sections = [section for section in main.xpath(_LEAVES) if section.get("marked")]
    for number, section in enumerate(sections):
        section.insert(0, html.fromstring(f"<p>qqsection{number}beginsqq</p>"))
        section.append(html.fromstring(f"<p>qqsection{number}endsqq</p>"))
    text, places = _without_marks(converter.convert(html.tostring(main), "page.html"))
    return Page(name, text), [Query(title, name, *places[number]) for number, title in enumerate(titles)]


def _take_title(section: Any) -> str | None:
    """The title, which is taken out, where the section may answer a query."""
    headings = section.xpath(_HEADINGS)
    title = _NUMBER.sub("", " ".join(headings[0].text_content().split())) if headings else ""
    words = len(section.text_content().split())
    if len(title.split()) < TITLE_WORDS or words not in SECTION_WORDS:
        return None
    headings[0].drop_tree()
    section.set("marked", "yes")
    return title


def _without_marks(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text, and where the marks were in it: of each section its begin and its end."""
    text, last, places = "", 0, dict[tuple[int, str], int]()
    for mark in _MARK.finditer(marked):
        text += marked[last : mark.start()] + "\n\n"
        places[int(mark[1]), mark[2]] = len(text)
        last = mark.end()
    number = len(places) // 2
    return text + marked[last:], [(places[each, "begins"], places[each, "ends"]) for each in range(number)]


def _paths(root: Path) -> Iterator[Path]:
    for part in PARTS:
        for path in sorted((root / part).glob("*.html")):
            if part != "library" or _rank(path.name) % LIBRARY_SHARE == 0:
                yield path


def _rank(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _fetched() -> Path:
    """Where the package's pages are. It is downloaded once, and not installed."""
    if not any(FOLDER.glob("usr/share/doc/*/html/faq")):
        FOLDER.mkdir(parents=True, exist_ok=True)
        depends = subprocess.run(["apt-cache", "depends", PACKAGE], check=True, capture_output=True, text=True).stdout  # noqa: S607
        names = re.findall(r"Depends: (python3\S*-doc)", depends)
        subprocess.run(["apt-get", "download", *names], check=True, cwd=FOLDER)  # noqa: S607
        for package in FOLDER.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, FOLDER], check=True)  # noqa: S607
    return next(FOLDER.glob("usr/share/doc/*/html/faq")).parent  # one folder, under two names
