import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from deployments.prompting.grammars import grammar_of
from pipelines.errors import RejectError
from pipelines.payloads import Request

PLACE = {"type": "object", "properties": {"at": {"$ref": "#/$defs/Place"}}, "$defs": {"Place": {"type": "string"}}}
LOOK = {"type": "function", "name": "look", "parameters": PLACE}
WAIT = {"type": "function", "name": "wait", "parameters": None}
FORMAT = {"type": "json_schema", "name": "n", "schema": {"type": "object", "required": ["a"]}}
MODES = {"type": "allowed_tools", "tools": [{"type": "function", "name": "wait"}]}


def request(**more: Any) -> Request:
    return Request(**{"model": "m", "input": [], **more})


def schema_of(**more: Any) -> Draft202012Validator:
    grammar = grammar_of(request(**more))
    assert grammar is not None
    assert grammar.kind == "json_schema"
    schema = json.loads(grammar.value)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def call(name: str, parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


def test_a_format_is_the_grammar() -> None:
    assert schema_of(format=FORMAT).schema == FORMAT["schema"]
    grammar = grammar_of(request(format={"type": "json_object"}))
    assert grammar is not None
    assert grammar.kind == "json_object"
    assert grammar_of(request(format={"type": "text"})) is None
    assert grammar_of(request()) is None


def test_a_server_that_keeps_calls_apart_gets_the_format_alone() -> None:
    asked = request(tools=[LOOK], format=FORMAT)
    assert grammar_of(asked) is None
    grammar = grammar_of(asked, apart=True)
    assert grammar is not None
    assert json.loads(grammar.value) == FORMAT["schema"]


def test_a_named_function_gives_its_parameters() -> None:
    named = schema_of(tools=[LOOK, WAIT], tool_choice={"type": "function", "name": "look"}, format=FORMAT)
    assert named.is_valid({"at": "sea"})
    assert not named.is_valid({"at": 1})
    assert not named.is_valid([])


def test_a_required_call_is_one_or_more_of_the_functions() -> None:
    calls = schema_of(tools=[LOOK, WAIT], tool_choice="required")
    assert calls.is_valid([call("look", {"at": "sea"}), call("wait", {})])
    wrongs: list[Any] = [[], [call("look", {"at": 1})], [call("other", {})], [{"name": "wait"}], {}]
    for wrong in wrongs:
        assert not calls.is_valid(wrong)


def test_where_calls_are_not_parallel_there_is_one() -> None:
    calls = schema_of(tools=[WAIT], tool_choice="required", parallel_tool_calls=False)
    assert calls.is_valid([call("wait", {})])
    assert not calls.is_valid([call("wait", {})] * 2)


def test_only_allowed_functions_are_called() -> None:
    calls = schema_of(tools=[LOOK, WAIT], tool_choice={**MODES, "mode": "required"})
    assert calls.is_valid([call("wait", {})])
    assert not calls.is_valid([call("look", {"at": "sea"})])


@pytest.mark.parametrize("choice", ["auto", {**MODES, "mode": "auto"}])
def test_a_free_choice_leaves_the_output_free(choice: Any) -> None:
    assert grammar_of(request(tools=[LOOK, WAIT], tool_choice=choice, format=FORMAT)) is None


def test_where_the_form_of_calls_is_known_the_format_holds_beside_them() -> None:
    grammar = grammar_of(request(tools=[LOOK], format=FORMAT), hermes=True)
    assert grammar is not None
    assert grammar.kind == "structural_tag"
    assert "<tool_call>" in grammar.value


def test_whoever_may_not_call_keeps_to_the_format() -> None:
    assert schema_of(tools=[LOOK], tool_choice="none", format=FORMAT).schema == FORMAT["schema"]


def test_definitions_of_the_same_name_must_agree() -> None:
    other = {**LOOK, "name": "other", "parameters": {**PLACE, "$defs": {"Place": {"type": "number"}}}}
    with pytest.raises(RejectError, match="Place"):
        grammar_of(request(tools=[LOOK, other], tool_choice="required"))
