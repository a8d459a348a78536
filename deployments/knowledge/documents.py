"""The program that reads documents for a `Converter`, in a process of its own: they come from strangers.

It is run as a file, with the number of an inherited socket and the bytes of memory that it may take. Two messages are a
document, its kind and its content; the answer is a plus and the text, or a minus where it cannot be read.
"""

import resource
import sys
from io import BytesIO
from multiprocessing.connection import Connection
from zipfile import ZipFile

_PARTS_BYTES = 128 << 20
_HYPHEN = "\ufffe"  # PDFium's sign for one at a line's end that divides a word
# ruff: noqa: PLC0415 - each library is loaded for its first document


def main() -> None:
    """Read documents until the socket is closed."""
    socket, memory = Connection(int(sys.argv[1])), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    while True:
        try:
            kind, content = socket.recv_bytes().decode(), socket.recv_bytes()
        except EOFError:
            return
        socket.send_bytes(_answer(kind, content))


def _answer(kind: str, content: bytes) -> bytes:
    try:
        text = _READERS[kind](content)
    except Exception:  # noqa: BLE001 - whatever is wrong with a document is the answer
        return b"-"
    return b"+" + text.encode(errors="replace")


def _html(content: bytes) -> str:
    from inscriptis import get_text

    return str(get_text(content.decode()))


def _docx(content: bytes) -> str:
    from mammoth import convert_to_html, images

    if _unpacked_bytes(content) > _PARTS_BYTES:
        raise ValueError("its parts are too large")
    no_images = images.img_element(lambda _: {"src": ""})
    return _html(convert_to_html(BytesIO(content), convert_image=no_images).value.encode())


def _unpacked_bytes(content: bytes) -> int:
    """What its parts would take; pictures are not unpacked."""
    with ZipFile(BytesIO(content)) as packed:
        return sum(part.file_size for part in packed.infolist() if part.filename.endswith((".xml", ".rels")))


def _pdf(content: bytes) -> str:
    from pypdfium2 import PdfDocument

    pages = (page.get_textpage().get_text_range() for page in PdfDocument(content))
    return "\n\n".join(pages).replace(_HYPHEN, "")


_READERS = {"html": _html, "docx": _docx, "pdf": _pdf}

if __name__ == "__main__":
    main()
