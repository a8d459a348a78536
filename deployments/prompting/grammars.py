"""What an output must look like: the calls that `tool_choice` forces, or the format that the client asked for."""

import json
from collections.abc import Sequence
from typing import Any

from deployments.tool_choice import ToolChoice, tool_choice
from pipelines.errors import RejectError
from pipelines.payloads import Grammar, Request

_DEFINITIONS = ("$defs", "definitions")
Schema = dict[str, Any]


def grammar_of(request: Request, *, hermes: bool = False, apart: bool = False) -> Grammar | None:
    """The grammar of the whole output; None where it is free.

    Where the model may call a function or answer in a format, the calls' form must be known: only with `hermes` the
    format is kept to then, or by a server that keeps calls `apart`, for which the grammar is that of answers alone.
    """
    choice = tool_choice(request)
    if choice.must:
        return Grammar(kind="json_schema", value=json.dumps(_forced(choice, parallel=request.parallel_tool_calls)))
    answer = _answer(request.format)
    if answer is None or apart or not choice.functions:
        return answer
    return _answer_or_call(answer, choice, parallel=request.parallel_tool_calls) if hermes else None


def _answer(form: Schema | None) -> Grammar | None:
    match form:
        case {"type": "json_schema", "schema": schema}:
            return Grammar(kind="json_schema", value=json.dumps(schema))
        case {"type": "json_object"}:
            return Grammar(kind="json_object")
    return None


def _forced(choice: ToolChoice, *, parallel: bool) -> Schema:
    if choice.name:
        return _parameters(choice.functions[0])
    schema = {"type": "array", "minItems": 1, "items": _one_call(choice.functions, "parameters")}
    return _lifted(choice.functions, schema if parallel else {**schema, "maxItems": 1})


def _answer_or_call(answer: Grammar, choice: ToolChoice, *, parallel: bool) -> Grammar:
    schema = json.loads(answer.value) if answer.kind == "json_schema" else {"type": "object"}
    calls = _lifted(choice.functions, _one_call(choice.functions, "arguments"))
    call = {
        "type": "tag",
        "begin": "<tool_call>\n",
        "content": {"type": "json_schema", "json_schema": calls},
        "end": "\n</tool_call>",
    }
    several = {
        "type": "tags_with_separator",
        "tags": [call],
        "separator": "\n",
        "at_least_one": True,
        "stop_after_first": not parallel,
    }
    either = {"type": "or", "elements": [{"type": "json_schema", "json_schema": schema}, several]}
    return Grammar(kind="structural_tag", value=json.dumps({"type": "structural_tag", "format": either}))


def _one_call(functions: Sequence[Schema], arguments: str) -> Schema:
    return {"anyOf": [_call(function, arguments) for function in functions]}


def _call(function: Schema, arguments: str) -> Schema:
    parameters = {key: value for key, value in _parameters(function).items() if key not in _DEFINITIONS}
    return {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": [function["name"]]}, arguments: parameters},
        "required": ["name", arguments],
        "additionalProperties": False,
    }


def _parameters(function: Schema) -> Schema:
    parameters = function.get("parameters")
    return {"type": "object", **parameters} if parameters else {"type": "object"}


def _lifted(functions: Sequence[Schema], schema: Schema) -> Schema:
    """The schema with the definitions of its parts, which are referred to from the root.

    Raises RejectError where two functions mean different things by the same name.
    """
    lifted: dict[str, Schema] = {}
    for function in functions:
        for key in _DEFINITIONS:
            for name, definition in _parameters(function).get(key, {}).items():
                if lifted.setdefault(key, {}).setdefault(name, definition) != definition:
                    raise RejectError(
                        f"Two tools define '{name}' in different ways.", code="invalid_value", param="tools"
                    )
    return {**schema, **lifted}
