"""Every kind of file becomes text, and what cannot harms nobody."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from deployments.knowledge.converter import Converter, Limits
from pipelines.errors import RejectError
from tests.documents import docx, pdf

HTML = b"""<!doctype html><html><head><title>Head</title><script>var hidden = 1</script></head><body><h1>Tides</h1>
<p>The <b>moon</b> pulls &amp; the <a href="https://example.com/x">sea</a> rises.<ul><li>ebb<li>flood</ul>
<table><tr><td>spring<td>neap</table><div>The end</div></body></html>"""


@pytest.fixture
def converter() -> Iterator[Converter]:
    converter = Converter()
    yield converter
    converter.close()


@pytest.fixture
def elders() -> set[psutil.Process]:
    """The children that this process had before: servers of the session, readers of other tests."""
    return set(psutil.Process().children())


def refused(converter: Converter, content: bytes, filename: str) -> str | None:
    with pytest.raises(RejectError) as caught:
        converter.convert(content, filename)
    return caught.value.code


def readers(elders: set[psutil.Process]) -> set[psutil.Process]:
    return set(psutil.Process().children()) - elders


@pytest.mark.parametrize(
    "filename", ["a.txt", "a.md", "a.json", "a.csv", "a.py", "a.unknown", "Makefile", "a", "a.TXT", ""]
)
def test_text_and_code_stay_as_they_are(converter: Converter, filename: str) -> None:
    text = '{"moon": "näher",\n\t"日本": 1}  # 🌒\n'
    assert converter.convert(text.encode(), filename) == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_tells_the_encoding(converter: Converter, encoding: str) -> None:
    assert converter.convert("Ebbe und Flut, über 日本".encode(encoding), "a.txt") == "Ebbe und Flut, über 日本"


def test_other_encodings_are_guessed(converter: Converter) -> None:
    text = "Größere Überschwemmungen gefährden auch die Küste, während süßes Wasser knapp bleibt. " * 5
    assert converter.convert(text.encode("cp1252"), "a.txt") == text


def test_line_ends_become_one(converter: Converter) -> None:
    assert converter.convert(b"ebb\r\nflood\n", "a.txt") == "ebb\nflood\n"


def test_the_text_of_html_is_what_a_reader_sees(converter: Converter) -> None:
    words = converter.convert(HTML, "a.html").split()
    assert " ".join(words) == "Tides The moon pulls & the sea rises. * ebb * flood spring neap The end"


def test_html_may_say_its_own_encoding(converter: Converter) -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><body><p>Žlutý kůň příliš úpěl ďábelské ódy</p></body></html>'
    assert "Žlutý kůň" in converter.convert(page.encode("iso-8859-2"), "a.htm")


def test_documents_of_word_are_read(converter: Converter) -> None:
    lines = converter.convert(docx("The moon &amp; the tides", "Größe 日本"), "a.docx").split("\n")
    assert [line for line in lines if line] == ["The moon & the tides", "Größe 日本"]


@pytest.mark.parametrize("filename", ["a.pdf", "A.PDF", "scan", "a.txt"])
def test_a_pdf_is_known_by_its_beginning(converter: Converter, filename: str) -> None:
    assert converter.convert(pdf("The moon pulls", "the tides"), filename) == "The moon pulls\nthe tides"


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"%PDF-1.4 and no more", "a.pdf"),
        (pdf("moon")[:300], "a.pdf"),
        (b"no PDF", "a.pdf"),
        (docx("moon")[:400], "a.docx"),
        (b"PK\x05\x06" + b"\0" * 18, "a.docx"),
        (b"", "a.docx"),
        (b"", "a.txt"),
        (b" \n\t", "a.md"),
        (pdf(), "a.pdf"),
        (b"<p></p>", "a.html"),
        (b"<div>" * 100_000, "a.html"),
    ],
)
def test_a_broken_or_empty_file_is_invalid(converter: Converter, content: bytes, filename: str) -> None:
    assert refused(converter, content, filename) == "invalid_file"
    assert converter.convert(HTML, "a.html")  # and the next one is read


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", bytes(range(256)) * 9, b"\xff\xfb\x90\x01" * 99])
def test_what_is_no_text_is_unsupported(converter: Converter, content: bytes) -> None:
    assert refused(converter, content, "a.bin") == "unsupported_file"


def test_a_document_that_unpacks_to_very_much_is_invalid(converter: Converter) -> None:
    packed = docx("x" * 150_000_000)
    assert len(packed) < 1_000_000
    assert refused(converter, packed, "a.docx") == "invalid_file"


def test_a_document_that_takes_too_long_is_invalid_and_its_process_ends(elders: set[psutil.Process]) -> None:
    converter = Converter(Limits(seconds=0.0))
    assert refused(converter, HTML, "a.html") == "invalid_file"
    assert not readers(elders)


def test_a_document_that_takes_too_much_memory_is_invalid() -> None:
    converter = Converter(Limits(memory_bytes=200 << 20))
    assert refused(converter, b"<p>" + b"<i>x</i> " * 3_000_000, "a.html") == "invalid_file"
    converter.close()


def test_a_reader_that_was_killed_is_replaced(elders: set[psutil.Process], converter: Converter) -> None:
    assert converter.convert(HTML, "a.html")
    (reader,) = readers(elders)
    reader.kill()
    reader.wait()
    assert refused(converter, HTML, "a.html") == "invalid_file"
    assert converter.convert(HTML, "a.html")


def test_too_much_is_invalid() -> None:
    assert refused(Converter(Limits(content_bytes=4)), b"ebb, flood", "a.txt") == "invalid_file"
    assert refused(Converter(Limits(characters=4)), b"ebb, flood", "a.txt") == "invalid_file"
    assert refused(Converter(Limits(characters=4)), HTML, "a.html") == "invalid_file"


def test_threads_convert_at_once_and_processes_stay_few(elders: set[psutil.Process], converter: Converter) -> None:
    contents = [(pdf(f"page {number}"), f"page {number}") for number in range(20)]
    with ThreadPoolExecutor(2) as threads:
        texts = list(threads.map(lambda each: converter.convert(each[0], "a.pdf"), contents))
    assert [text.strip() for text in texts] == [text for _, text in contents]
    assert len(readers(elders)) <= 2
    converter.close()
    assert not readers(elders)
