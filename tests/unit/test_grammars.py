import json

import pytest

from deployments.engines.vllm.grammars import check_grammar
from pipelines.errors import RejectError
from pipelines.payloads import Grammar

PERSON = json.dumps({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})
CALL = json.dumps(
    {
        "type": "structural_tag",
        "format": {"type": "tag", "begin": "<a>", "content": {"type": "any_text"}, "end": "</a>"},
    }
)


def nested(levels: int) -> str:
    return '{"items":' * levels + '{"type": "string"}' + "}" * levels


@pytest.mark.parametrize(
    "grammar",
    [
        Grammar(kind="json_schema", value=PERSON),
        Grammar(kind="json_schema", value=nested(90)),
        Grammar(kind="json_object"),
        Grammar(kind="regex", value="(yes|no)"),
        Grammar(kind="structural_tag", value=CALL),
    ],
    ids=lambda grammar: grammar.kind,
)
def test_a_grammar_that_is_one_passes(grammar: Grammar) -> None:
    check_grammar(grammar)


@pytest.mark.parametrize("schema", ["{", "[1]", '{"type": "lamp"}', '{"$ref": "#/nowhere"}'])
def test_a_malformed_schema_is_rejected(schema: str) -> None:
    with pytest.raises(RejectError) as caught:
        check_grammar(Grammar(kind="json_schema", value=schema))
    assert caught.value.code == "invalid_json_schema"
    assert caught.value.param == "text.format.schema"
    assert ".cc:" not in str(caught.value)


@pytest.mark.parametrize("levels", [200, 100_000])  # xgrammar takes seconds, and the JSON parser refuses
def test_a_schema_nested_without_end_is_rejected_at_once(levels: int) -> None:
    with pytest.raises(RejectError, match="nested"):
        check_grammar(Grammar(kind="json_schema", value=nested(levels)))


@pytest.mark.parametrize(("kind", "value"), [("regex", "(a"), ("structural_tag", "{}")])
def test_other_malformed_grammars_are_rejected(kind: str, value: str) -> None:
    with pytest.raises(RejectError) as caught:
        check_grammar(Grammar.model_validate({"kind": kind, "value": value}))
    assert caught.value.param == "text.format"
