"""Reads one function call, a JSON object with a name and arguments, while it grows.

The arguments are handed on as they are written, from the moment the name is known. Only the object's outline is
checked: what stands inside the arguments is the model's own affair.
"""

import json
from collections.abc import Callable

from pipelines.operations import Kind, Piece

_ARGUMENTS = ("arguments", "parameters")
_SPACE = " \t\r\n"


class CallObject:
    """One object. It is over once `done`, and no call where it `failed`, which it never does after its first piece."""

    def __init__(self) -> None:
        self.done = False
        self.failed = False
        self.opened = False
        self._expect: Callable[[str], None] = self._start
        self._key = ""
        self._value: list[str] = []  # of the key or value that is being read
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._name = ""
        self._arguments: list[str] = []  # not yet handed on

    def push(self, text: str) -> tuple[list[Piece], str]:
        """What is known now, and the text that is not the object's."""
        for index, char in enumerate(text):
            if self.done or self.failed:
                return self._pieces(), text[index:]
            self._expect(char)
        return self._pieces(), ""

    def _pieces(self) -> list[Piece]:
        if self.failed or not self._name:
            return []
        if self.done and not self.opened and not self._arguments:
            self._arguments = ["{}"]
        text, self._arguments = "".join(self._arguments), []
        opens, self.opened = not self.opened, True
        return [Piece(text=text, kind=Kind.FUNCTION_CALL, name=self._name, opens=opens)] if opens or text else []

    def _start(self, char: str) -> None:
        self._take(char, {"{": self._before_key})

    def _before_key(self, char: str) -> None:
        self._take(char, {'"': self._in_key, "}": self._finish, ",": self._before_key})

    def _in_key(self, char: str) -> None:
        if char == '"':
            self._key, self._value, self._expect = "".join(self._value), [], self._after_key
        else:
            self._value.append(char)

    def _after_key(self, char: str) -> None:
        self._take(char, {":": self._before_value})

    def _before_value(self, char: str) -> None:
        if char not in _SPACE:
            self._depth, self._in_string, self._escaped, self._expect = 0, False, False, self._in_value
            self._in_value(char)

    def _in_value(self, char: str) -> None:
        if not self._in_string and self._depth == 0 and char in ",}":
            self._end_value()
            self._before_key(char)
            return
        if not self._in_string and self._depth == 0 and char in _SPACE:
            return
        self._nest(char)
        if self._key in _ARGUMENTS:
            self._arguments.append(char)
        else:
            self._value.append(char)

    def _nest(self, char: str) -> None:
        if self._escaped:
            self._escaped = False
        elif self._in_string:
            self._escaped, self._in_string = char == "\\", char != '"'
        elif char == '"':
            self._in_string = True
        elif char in "{[":
            self._depth += 1
        elif char in "}]":
            self._depth -= 1

    def _end_value(self) -> None:
        if self._key == "name" and not self._name:
            self._name = _string("".join(self._value))
            self.failed = not self._name
        self._value, self._expect = [], self._before_key

    def _finish(self, char: str) -> None:
        """Nothing belongs to the object any more."""

    def _take(self, char: str, following: dict[str, Callable[[str], None]]) -> None:
        if char in _SPACE:
            return
        self._expect = following.get(char, self._expect)
        self.done = char == "}"
        self.failed = not self._name and (self.done or char not in following)


def _string(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
