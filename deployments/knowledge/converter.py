"""Makes text of files: texts and code are decoded; HTML, PDF and DOCX are read by libraries in a process of its own.

Invariants: a document costs no more time, memory and text than the limits say, and can harm nothing but that process.
"""

import codecs
import subprocess
import sys
from contextlib import closing
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path, PurePath
from typing import NamedTuple

from charset_normalizer import from_bytes

from pipelines.errors import RejectError

_PROGRAM = str(Path(__file__).with_name("documents.py"))
_KINDS = {".pdf": "pdf", ".docx": "docx", ".html": "html", ".htm": "html", ".xhtml": "html"}
_SAMPLE_BYTES = 1 << 16  # from which an encoding is guessed
_CONTROLS = bytes(sorted({*range(32)} - {7, 8, 9, 10, 11, 12, 13, 27}))  # which no text has
_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark its own begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


class Limits(NamedTuple):
    """What one file may cost."""

    content_bytes: int = 128 << 20
    characters: int = 20_000_000  # of the text
    seconds: float = 120.0
    memory_bytes: int = 4 << 30


class Converter:
    """Of one process; may be called by several threads. Each then has a process that reads documents for it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._idle: list[_Reader] = []

    def convert(self, content: bytes, filename: str) -> str:
        """The text of a file. Raises RejectError with the code unsupported_file or invalid_file. Blocks."""
        self.check_size(len(content))
        kind = "pdf" if content.startswith(b"%PDF-") else _KINDS.get(PurePath(filename).suffix.lower())
        text = self._read(kind, content) if kind else _decoded(content)
        text = text.replace("\r\n", "\n").replace("\0", "")
        if len(text) > self._limits.characters:
            raise _invalid(f"It has more than {self._limits.characters} characters of text.")
        if not text.strip():
            raise _invalid("There is no text in it.")
        return text

    def check_size(self, size: int) -> None:
        """Raises RejectError where a content of so many bytes is too large."""
        if size > self._limits.content_bytes:
            raise _invalid(f"It is larger than {self._limits.content_bytes} bytes.")

    def close(self) -> None:
        """End the processes that read documents."""
        while self._idle:
            self._idle.pop().close()

    def _read(self, kind: str, content: bytes) -> str:
        if kind == "html":
            content = _decoded(content).encode()
        reader = self._idle.pop() if self._idle else _Reader(self._limits)
        try:
            answer = reader.read(kind, content)
        except BaseException:
            reader.close()
            raise
        self._idle.append(reader)
        if answer[:1] == b"-":
            raise _invalid(f"It is no {kind.upper()} that can be read.")
        return answer[1:].decode()


class _Reader:
    """A process that reads one document after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._socket, theirs = Pipe()
        with closing(theirs):
            self._process = _start(theirs, limits.memory_bytes)

    def read(self, kind: str, content: bytes) -> bytes:
        """Its answer. Raises RejectError where none comes; close it then."""
        try:
            self._socket.send_bytes(kind.encode())
            self._socket.send_bytes(content)
            if not self._socket.poll(self._limits.seconds):
                raise _invalid(f"It could not be read within {self._limits.seconds:g} seconds.")
            return self._socket.recv_bytes(self._limits.characters * 4 + 1)
        except (EOFError, OSError) as error:  # it has died, or has more to say than it may
            raise _invalid("It could not be read.") from error

    def close(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()


def _start(socket: Connection, memory_bytes: int) -> subprocess.Popen[bytes]:
    descriptor = socket.fileno()
    command = [sys.executable, "-P", _PROGRAM, str(descriptor), str(memory_bytes)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, pass_fds=[descriptor])  # noqa: S603 - ours


def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if b"\0" in content[:_SAMPLE_BYTES]:
        raise _unsupported()
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode(_guessed_encoding(content[:_SAMPLE_BYTES]), errors="replace")


def _guessed_encoding(sample: bytes) -> str:
    best = None if any(control in sample for control in _CONTROLS) else from_bytes(sample).best()
    if best is None:
        raise _unsupported()
    return best.encoding


def _invalid(message: str) -> RejectError:
    return RejectError(message, "invalid_file")


def _unsupported() -> RejectError:
    return RejectError("It is neither text nor a document of a known kind.", "unsupported_file")
