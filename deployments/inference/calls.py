"""The readers of function calls: `hermes`, between marks in the text, and those of an output that is nothing but calls.

Calls are written as `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`; where the grammar allows only
calls, as the array that `deployments/prompting/grammars.py` asks for, or as the arguments of the one function.
"""

from collections.abc import Sequence

from deployments.inference.call_json import CallObject
from deployments.inference.stop_strings import overlap
from pipelines.operations import Kind, Piece

_BEGIN, _END = "<tool_call>", "</tool_call>"
_BETWEEN = " \t\r\n[,]"  # of the calls in an array


class HermesReader:
    """Reads one output."""

    def __init__(self) -> None:
        self._call: CallObject | None = None  # the one that is being read
        self._text = ""  # held back
        self._raw = ""  # of a call that may yet prove to be none

    def push(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """Messages and calls, in the order of the text."""
        del ids
        self._text += text
        pieces: list[Piece] = []
        while self._text:
            before = self._text
            pieces += self._speak() if self._call is None else self._read(self._call)
            if self._text == before:
                break
        return pieces

    def flush(self) -> list[Piece]:
        """A call that never became one, and what might have been a mark."""
        raw = "" if self._call is None or self._call.opened else self._raw
        text = raw + ("" if self._call is not None and self._call.opened else self._text)
        return [Piece(text=text)] if text else []

    def _speak(self) -> list[Piece]:
        said, mark, rest = self._text.partition(_BEGIN)
        if mark:
            self._call, self._raw, self._text = CallObject(), _BEGIN, rest
            return [Piece(text=said)] if said else []
        end = len(said) - overlap(said, _BEGIN)
        self._text = said[end:]
        return [Piece(text=said[:end])] if end else []

    def _read(self, call: CallObject) -> list[Piece]:
        if call.done:
            return self._leave()
        before = self._text
        pieces, self._text = call.push(before)
        if not call.opened:
            self._raw += before.removesuffix(self._text)
        if call.failed:
            self._call, said = None, self._raw
            return [Piece(text=said)]
        return pieces

    def _leave(self) -> list[Piece]:
        """Past the end of the call, with its mark or without."""
        rest = self._text.lstrip()
        if rest.startswith(_END):
            self._call, self._text = None, rest.removeprefix(_END)
        elif rest and not _END.startswith(rest):
            self._call, self._text = None, rest
        return []


class ForcedCall:
    """Reads an output that is the arguments of one function."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._opened = False

    def push(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """The call."""
        del ids
        text = text if self._opened else text.lstrip()
        if not text:
            return []
        opens, self._opened = not self._opened, True
        return [Piece(text=text, kind=Kind.FUNCTION_CALL, name=self._name, opens=opens)]

    def flush(self) -> list[Piece]:
        """Nothing is ever held back."""
        return []


class ForcedCalls:
    """Reads an output that is an array of calls; of anything else it makes a message."""

    def __init__(self) -> None:
        self._call = CallObject()
        self._raw = ""  # since the last call
        self._failed = False

    def push(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """The calls."""
        del ids
        if self._failed:
            return [Piece(text=text)]
        pieces: list[Piece] = []
        while text and not self._failed:
            text, said = self._next(text)
            pieces += said
        return pieces

    def flush(self) -> list[Piece]:
        """What never became a call."""
        said = self._raw.strip(_BETWEEN)
        return [Piece(text=self._raw)] if said and not self._failed else []

    def _next(self, text: str) -> tuple[str, list[Piece]]:
        if not self._raw.strip(_BETWEEN) and not self._call.opened:  # between two calls
            object_text = text.lstrip(_BETWEEN)
            self._raw += text.removesuffix(object_text)
            text = object_text
        pieces, rest = self._call.push(text)
        self._raw = "" if self._call.opened else self._raw + text.removesuffix(rest)
        if self._call.failed:
            self._failed, said = True, self._raw + rest
            return "", [Piece(text=said)]
        if self._call.done:
            self._call = CallObject()
        return rest, pieces
