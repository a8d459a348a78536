"""Whether a grammar is one, found out without an engine. xgrammar takes seconds to import: import this late."""

import re
from collections.abc import Iterator

import xgrammar
from pydantic import JsonValue, TypeAdapter, ValidationError

from pipelines.errors import RejectError
from pipelines.payloads import Grammar

_DEEPEST = 100  # objects and arrays inside each other; at 5 000, xgrammar takes minutes
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)
_SOURCE = re.compile(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ")  # where in its own code xgrammar noticed the fault


def check_grammar(grammar: Grammar) -> None:
    """Raises RejectError where a grammar is malformed.

    An engine may still refuse what this lets pass: a JSON schema that is correct and beyond its means.
    """
    check_nesting(grammar)
    try:
        match grammar.kind:
            case "json_schema":
                xgrammar.Grammar.from_json_schema(grammar.value)
            case "regex":
                xgrammar.Grammar.from_regex(grammar.value)
            case "structural_tag":
                xgrammar.Grammar.from_structural_tag(grammar.value)
    except RuntimeError as error:
        raise grammar_error(grammar, error) from error


def check_nesting(grammar: Grammar) -> None:
    """Raises RejectError where JSON is malformed, or nested so deeply that a library would take minutes over it."""
    if grammar.kind in ("json_schema", "structural_tag"):
        try:
            value = _JSON.validate_json(grammar.value)
        except ValidationError as error:
            raise grammar_error(grammar, "it is not JSON, or it is nested too deeply") from error
        if _depth(value) > _DEEPEST:
            raise grammar_error(grammar, f"it is nested more than {_DEEPEST} levels deep")


def grammar_error(grammar: Grammar, reason: object) -> RejectError:
    """What the client is told of a malformed grammar."""
    text = _SOURCE.sub("", str(reason)).strip()
    if grammar.kind == "json_schema":
        return RejectError(
            f"The JSON schema cannot be used: {text}", code="invalid_json_schema", param="text.format.schema"
        )
    return RejectError(f"The output's format cannot be used: {text}", code="invalid_value", param="text.format")


def _depth(value: JsonValue) -> int:
    level, depth = list(_parts(value)), 1
    while level:
        level = [part for outer in level for part in _parts(outer)]
        depth += 1
    return depth


def _parts(value: JsonValue) -> Iterator[JsonValue]:
    match value:
        case dict():
            yield from value.values()
        case list():
            yield from value
